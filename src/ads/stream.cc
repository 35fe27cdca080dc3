#include "ads/stream.h"

#include <memory>

#include <grpcpp/support/proto_buffer_reader.h>

namespace sluice::ads {
namespace {

// A slice that keeps the piece alive.
grpc::Slice share(const Piece& piece) {
  auto* owner = new Piece(piece);
  // gRPC does not write to it, it only has no word for that.
  return grpc::Slice(
      const_cast<char*>(piece->data()), piece->size(),  // NOLINT(cppcoreguidelines-pro-type-const-cast)
      [](void* user) { delete static_cast<Piece*>(user); }, owner);
}

template <typename Request>
bool post_request(Inbox& inbox, std::uint64_t stream, std::optional<Parsed<Request>> parsed) {
  if (!parsed) return false;
  Received received{stream, std::move(parsed->node), {}};
  if (parsed->request) received.request = *std::move(parsed->request);
  inbox.post(std::move(received));
  return true;
}

}  // namespace

void Inbox::post(Message message) {
  {
    std::lock_guard lock(mutex_);
    messages_.push_back(std::move(message));
  }
  posted_.notify_one();
}

std::vector<Message> Inbox::take(std::optional<Time> deadline) {
  std::unique_lock lock(mutex_);
  const auto some = [this] { return !messages_.empty(); };
  if (deadline) {
    posted_.wait_until(lock, *deadline, some);
  } else {
    posted_.wait(lock, some);
  }
  return std::exchange(messages_, {});
}

void StreamCount::add(int n) {
  std::lock_guard lock(mutex_);
  count_ += n;
  if (count_ == 0) none_.notify_all();
}

void StreamCount::wait_for_none() {
  std::unique_lock lock(mutex_);
  none_.wait(lock, [this] { return count_ == 0; });
}

Stream::Stream(Variant variant, std::uint64_t number, grpc::CallbackServerContext* context, Proof proof,
               Inbox* inbox, StreamCount* count)
    : variant_(variant), number_(number), context_(context), inbox_(inbox), count_(count) {
  count_->add(1);
  inbox_->post(Opened{number_, variant_, this, std::move(proof)});
}

void Stream::write(const std::vector<Piece>& pieces) {
  std::vector<grpc::Slice> slices;
  slices.reserve(pieces.size());
  for (const Piece& piece : pieces) slices.push_back(share(piece));
  response_ = grpc::ByteBuffer(slices.data(), slices.size());
  StartWrite(&response_);
}

void Stream::OnReadDone(bool ok) {
  if (!ok) {
    inbox_->post(Ended{number_, grpc::Status::OK});
    return;
  }
  grpc::ProtoBufferReader reader(&request_);
  const bool good = variant_ == Variant::kDelta ? post_request(*inbox_, number_, parse_delta(&reader))
                                                : post_request(*inbox_, number_, parse_sotw(&reader));
  if (!good) inbox_->post(Ended{number_, {grpc::StatusCode::INVALID_ARGUMENT, "not a discovery request"}});
}

void Stream::OnWriteDone(bool /*ok*/) { inbox_->post(Written{number_}); }

void Stream::OnDone() {
  StreamCount* count = nullptr;
  {
    count = count_;
  }
  delete this;
  count->add(-1);
}

}  // namespace sluice::ads
