// One HTTP/2 connection: nghttp2's session over a Socket, and the gRPC streams on it.
//
// What handlers say during an event is written once at its end; what they say at other times, as soon as the
// loop has its turn. While the peer does not take what we have for it, nothing is read from it.
//
// Threads: those of its loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <memory_resource>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/loop.h"
#include "extproc/frame.h"
#include "extproc/health.h"
#include "extproc/server.h"
#include "extproc/socket.h"

using nghttp2_session = struct nghttp2_session;

namespace sluice::extproc {

class Connection {
 public:
  // What all connections of a thread share.
  struct Shared {
    Loop& loop;
    Service& service;
    const HealthTable& health;
    const Limits& limits;
    std::vector<char> read_buffer;
    Request request;  // the one that a handler is shown; its vectors keep their memory
  };

  // `closed` is called once, from the loop, when the connection is of no more use: whoever owns it destroys
  // it then.
  Connection(Socket socket, Shared& shared, std::function<void(Connection*)> closed);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // Takes no more streams, and closes when those that are there have ended.
  void drain();
  // Tells those that watch this health service.
  void health_changed(std::string_view service);

  class Stream;

 private:
  friend class Stream;
  struct Callbacks;
  struct FreeSession {
    void operator()(nghttp2_session* session) const;
  };

  void on_event();
  void read();
  // Writes what nghttp2 and the streams have, as far as the socket takes it. Closes a connection that is
  // done.
  void flush();
  // A stream has something to say.
  void wants_to_write();
  void close();

  void on_headers(Stream& stream);
  void on_data(Stream& stream, std::string_view chunk);
  void on_end_of_stream(Stream& stream);
  void on_message(Stream& stream, std::string_view message);
  void on_health_request(Stream& stream, std::string_view message);

  Socket socket_;
  Shared& shared_;
  std::function<void(Connection*)> closed_;
  std::unique_ptr<nghttp2_session, FreeSession> session_;
  std::unordered_map<std::int32_t, std::unique_ptr<Stream>> streams_;
  std::vector<std::unique_ptr<Stream>> spare_;  // ended, to be used again
  std::set<Stream*> health_watchers_;
  std::size_t partial_bytes_ = 0;  // of all streams: see Limits
  std::size_t stream_bytes_ = 0;   // answers that nghttp2 has not taken yet
  std::string unsent_;
  std::size_t sent_ = 0;  // of unsent_
  bool in_event_ = false;
  bool greeted_ = false;  // the peer speaks HTTP/2
  bool closing_ = false;
  std::uint32_t events_ = 0;
  Loop::Timer handshake_;
  Loop::Timer again_;  // what is to be done after the present event
  Loop::Timer goaway_;
  Loop::Watch watch_;
};

}  // namespace sluice::extproc
