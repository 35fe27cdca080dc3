// One HTTP request in Envoy's own process: an Exchange on Envoy's ABI. What the hooks of the ABI do for it is
// here, with the same names.
//
// The request stops until there is a verdict; Envoy keeps its body meanwhile, of which nothing is copied but
// what gets another model. The verdict is the header and the metadata of the endpoint picker protocol, or an
// answer to the client. The route stays what it is: to choose it anew takes as long as there are routes, and
// the protocol does not ask for it. What is decided by another thread comes by Envoy's scheduler, as
// on_scheduled().
//
// Threads: that of the request's worker; the mailbox is any thread's.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "module_abi/envoy_module.h"
#include "picker/exchange/exchange.h"
#include "picker/exchange/pool.h"

namespace sluice::picker {

class HttpFilter {
 public:
  // `read_responses`: for first tokens and usage; without, a request ends with the headers of its response.
  HttpFilter(Pool& pool, bool read_responses, envoy::Filter envoy);
  HttpFilter(const HttpFilter&) = delete;
  HttpFilter& operator=(const HttpFilter&) = delete;
  ~HttpFilter();

  envoy::HeadersStatus on_request_headers(bool end_of_stream);
  envoy::BodyStatus on_request_body(bool end_of_stream);
  envoy::TrailersStatus on_request_trailers();
  void on_scheduled();
  void on_response_headers(bool end_of_stream);
  void on_response_body(bool end_of_stream);
  void on_response_trailers();

 private:
  class Box;

  std::shared_ptr<Mailbox> mailbox();
  // Where a verdict comes: in a hook that has received a part of the body, or in another one.
  enum class In : bool { kOther, kBodyHook };
  // True if the request goes on. False if the client has got its answer, with which the filter may have
  // ended.
  bool act_on(const Verdict& verdict, In in = In::kOther);
  void go_to(const Destination& destination, In in);
  void answer(const Answer& answer);
  void rewrite_body(In in);

  Pool& pool_;
  const bool read_responses_;
  const envoy::Filter envoy_;
  std::shared_ptr<Box> mailbox_;
  Exchange exchange_;
};

}  // namespace sluice::picker
