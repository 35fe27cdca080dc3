// One gRPC stream: carries messages between the wire and the server's loop, and decides nothing.
//
// A stream reads one request and hands it over; it reads the next one when it is told to. So a node that
// sends faster than the loop works waits. It writes one response at a time.
//
// Life: gRPC makes a stream and deletes it after the loop has called finish(), once all that was under way
// has ended. The loop calls finish() exactly once, with no write under way, and nothing after it.
//
// Threads: on_* callbacks come on gRPC's threads and only post to the inbox; the rest is called by the loop.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <expected>
#include <mutex>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "ads/frame.h"
#include "ads/protocol.h"

namespace sluice::ads {

class Stream;

// What a stream shows of who is at its other end.
struct Proof {
  enum class Kind : std::uint8_t {
    kOwner,        // who may open the Unix socket
    kCertificate,  // it has been verified
    kToken,        // it has not
    kNone,
  };
  Kind kind = Kind::kNone;
  std::string token;
  std::string address;  // "ipv4:10.0.0.1:4711", for people
};

// What is posted to the loop. Streams are named by number: one that is finished may be gone.
struct Opened {
  std::uint64_t stream;
  Variant variant;
  Stream* handle;
  Proof proof;
};
// Whose the stream's token is.
struct Reviewed {
  std::uint64_t stream;
  std::expected<Account, TokenFault> account;
};
struct Received {
  std::uint64_t stream;
  std::optional<Node> node;
  std::variant<std::monostate, DeltaRequest, SotwRequest> request;
};
struct Written {
  std::uint64_t stream;
};
struct Ended {
  std::uint64_t stream;
  grpc::Status status;
};  // by the node, or by what it sent
struct NewState {
  ir::ProxyKey proxy;
  Update update;
};
struct Retry {
  ir::ProxyKey proxy;
  xds::ResourceType type;
  std::string name;
};
struct Removed {
  ir::ProxyKey proxy;
};
struct Closing {};  // the server closes: no stream is to live
struct Quit {};     // the loop is to end
using Message = std::variant<Opened, Reviewed, Received, Written, Ended, NewState, Retry, Removed, Closing, Quit>;

class Inbox {
 public:
  void post(Message message);
  // Everything that has come, in order; waits until something has, or until `deadline`.
  std::vector<Message> take(std::optional<Time> deadline);

 private:
  std::mutex mutex_;
  std::condition_variable posted_;
  std::vector<Message> messages_;
};

// How many streams there are; gRPC's server must not go before they have.
class StreamCount {
 public:
  void add(int n);
  void wait_for_none();

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  int count_ = 0;
};

class Stream final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  Stream(Variant variant, std::uint64_t number, grpc::CallbackServerContext* context, Proof proof,
         Inbox* inbox, StreamCount* count);

  void read() { StartRead(&request_); }
  void write(const std::vector<Piece>& pieces);
  // Makes a write that the node does not take come to an end.
  void cancel() { context_->TryCancel(); }
  void finish(const grpc::Status& status) { Finish(status); }

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone() override;

  const Variant variant_;
  const std::uint64_t number_;
  grpc::CallbackServerContext* const context_;
  Inbox* const inbox_;
  StreamCount* const count_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
};

}  // namespace sluice::ads
