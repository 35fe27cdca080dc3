// What to ask of an API server, and when, so that one resource's objects are known and stay so: a machine
// without I/O and clock.
//
// It lists, in pages, and then watches from the list's version on. After a watch has ended it watches again
// from the last version that it has seen (in an event or a bookmark), so that nothing is missed and nothing
// is told twice. It lists again only when it has to:
//
// - 410 Gone, as a status or as an event: the version is older than what the server keeps. In the middle of
//   paging, too; then the next list is asked for in one page, which cannot expire.
// - Two watches in a row that told nothing, not even a bookmark, or that sent what nobody can read.
// - A version that the server has not reached: its data were replaced by older ones. A watch would say
// nothing
//   until it gets there. So after a broken connection one object is asked for, of a version not older than
//   ours
//   (`resourceVersionMatch=NotOlderThan`), before the next watch.
//
// After a list only what differs is told: objects of another version, and names that are gone or, by their
// uid, another object's now.
//
// Lists are consistent reads (no resourceVersion): one from a server's cache may lie before what another
// server has already told, and 0 means any.
//
// A resource that is not installed is no error: told once, looked for each `missing`. Where there were
// objects it is believed only after kMissingTries, for a server that starts may not know its own resources
// yet.
//
// What it may not read (403) may be a server that starts and does not know its rules yet. It is believed
// after kForbiddenTries in a row, some seconds, and asked for again for ever; what was told before stays.
//
// Failures are followed by a delay that doubles, with jitter, and no less than what the server asks for
// (Retry-After). Only what a watch tells ends them: a list that succeeds between two 410 is no progress.
// A problem is told at once while nothing is known, later from the second failure in a row on.
//
// Threads: one at a time. Time and chance go in.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "kube/backoff.h"
#include "kube/client.h"
#include "kube/object.h"

namespace sluice::kube {

struct Watched {
  Resource resource;
  std::string name_space;  // empty: all, or the resource has none
  std::string label_selector;
  std::string field_selector;
};

// What a list says that was not known. `gone` come first: a name may be in both.
struct Difference {
  std::vector<NamespacedName> gone;
  std::vector<Object> changed;
  std::size_t same = 0;
};

// Who hears of a resource's objects.
class Sink {
 public:
  virtual ~Sink() = default;
  // After a list. The first one, or missing(), means: all that is there has been told.
  virtual void replaced(Difference difference) = 0;
  virtual void applied(Object object) = 0;
  virtual void deleted(const NamespacedName& name) = 0;
  // The server has no such resource; what was told of it before is gone.
  virtual void missing() = 0;
  // It does not get through: a sentence. Again when the sentence changes.
  virtual void problem(const std::string& text) = 0;
  // The same, and it is that we may not read it.
  virtual void forbidden(const std::string& text) { problem(text); }
  // After a problem() or forbidden().
  virtual void recovered() = 0;
};

class Reflector {
 public:
  using Time = std::chrono::steady_clock::time_point;

  struct Options {
    std::size_t page = 500;  // client-go's
    std::chrono::milliseconds first{500};
    std::chrono::milliseconds longest{30'000};  // client-go's
    std::chrono::milliseconds missing{30'000};
    std::chrono::seconds watch{300};  // up to twice as long, as client-go has it
    // A watch that lasted so long was fine, even if it told nothing.
    std::chrono::milliseconds settled{10'000};
  };
  static constexpr int kMissingTries = 3;
  static constexpr int kForbiddenTries = 4;
  static constexpr std::chrono::seconds kLongestAsked{60};  // of Retry-After

  // What to do next.
  struct Get {  // then answered()
    std::string target;
  };
  struct Watch {  // then opened(), line() …, ended()
    std::string target;
  };
  struct Wait {  // then waited()
    std::chrono::milliseconds delay;
  };
  using Step = std::variant<Get, Watch, Wait>;

  Reflector(Watched watched, const Options& options, Sink& sink, Random random);

  Step start();
  Step answered(const Outcome& outcome, Time now);
  Step waited();
  void opened(Time now);
  // A step: the watch is to be ended for it; ended() is not called then.
  std::optional<Step> line(std::string_view text, Time now);
  // What Client told last of the stream.
  Step ended(const Outcome& outcome, Time now);

  std::size_t size() const { return known_.size(); }

 private:
  enum class Next : std::uint8_t { kList, kProbe, kWatch };
  struct Known {  // by hash
    std::uint64_t uid = 0;
    std::uint64_t version = 0;
  };
  static Known known_as(const Object& object);

  std::string query(std::string query) const;
  Step go(Next next);
  Step list_anew();
  Step page();
  Step listed(const Answer& answer);
  Step not_found(std::string text);
  Step probed(const Outcome& outcome);
  Step fail(std::string text, Next next, std::optional<std::chrono::seconds> at_least = std::nullopt,
            bool forbidden = false);
  Step refused(const Answer& answer, Next next);
  Step data_replaced();
  void take(ListPage page);
  void take(WatchEvent event);
  void progress();
  void recover();

  const Watched watched_;
  const Options options_;
  Sink& sink_;
  const Random random_;

  Next doing_ = Next::kList;  // what a Get is for, or what follows a Wait
  std::map<NamespacedName, Known> known_;
  std::string version_;
  bool synced_ = false;
  bool missing_ = false;
  int not_found_ = 0;   // in a row
  bool doubt_ = false;  // the connection broke since the server was asked for our version

  std::size_t page_size_;
  std::vector<Object> pages_;
  std::string more_;
  bool one_page_ = false;

  std::optional<Time> opened_;
  bool told_ = false;  // this watch has told something
  int silent_ = 0;     // watches in a row that did not
  int bad_ = 0;        // watches in a row that ended with what nobody can read, or with an error
  Backoff backoff_;
  int forbidden_ = 0;          // in a row
  std::string problem_;        // as told
  bool is_forbidden_ = false;  // as told
};

}  // namespace sluice::kube
