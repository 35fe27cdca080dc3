// SHA-256, the one digest by which modules, images and their parts are known here. As text it is 64
// lower-case hexadecimal digits, without "sha256:".
//
// Threads: a Sha256 belongs to one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace sluice::wasm {

class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();

  void update(std::string_view bytes);
  // Of all that came so far; more may follow.
  std::string text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_of(std::string_view bytes);
bool is_sha256(std::string_view text);

}  // namespace sluice::wasm
