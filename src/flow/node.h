// The part of a graph that knows no types: nodes, and who read what.
//
// A node is a table or an index. As something to be read it has slots (flow/keys.h: a key of a table, a group
// of an index); as a stage it has runs, each named by the slot of the row or group that it is for. A read is
// an edge from a run to a slot. Edges live in one pool and are linked both ways: from the slot, through all
// runs that read it (to queue them when it changes), and from the run, through all that it read (to compare
// with its next run's reads, which are nearly always the same). An edge is 24 bytes, and adding or removing
// one costs the same however many others the slot has.
//
// A commit gives each node its turn in the order of declaration. Edges lead only to earlier nodes, hence when
// the turn of a node comes, all it can read is as it will be, and its queue is complete.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "flow/keys.h"

namespace sluice::flow {

struct StageStats {
  std::string_view name;  // lives as long as the graph
  std::uint32_t runs = 0;
  std::uint32_t changed = 0;  // rows of its table added, changed or removed
  std::size_t rows = 0;       // that its table has
};

struct CommitStats {
  std::uint64_t commit = 0;  // counts from 1
  std::uint64_t inputs_changed = 0;
  // All stages in the order of declaration; indexes and inputs are none.
  std::vector<StageStats> stages;
  std::uint64_t runs = 0;
  std::uint64_t changed = 0;  // rows of all stages

  // Zeros if there is no stage of that name.
  StageStats of(std::string_view stage) const;
};

namespace internal {

// Prints the parts as one line and aborts: for bugs of the program.
[[noreturn]] void stop(std::initializer_list<std::string_view> parts);

// Keeps the room that a usual commit needs, not that of the first one.
template <class T>
void clear(std::vector<T>& list) {
  constexpr std::size_t kUsual = 1024;
  list.clear();
  if (list.capacity() > kUsual) list.shrink_to_fit();
}

using EdgeId = std::uint32_t;
inline constexpr EdgeId kNoEdge = 0;
inline constexpr EdgeId kMaxEdge = ~EdgeId{0} >> 1;  // a bit is left for Run::queued

struct Edge {
  std::uint16_t source;  // the node that was read
  std::uint16_t stage;   // the node that read
  Slot slot;             // of source
  Slot run;              // of stage
  EdgeId previous_reader;
  EdgeId next_reader;
  EdgeId next_read;
};
static_assert(sizeof(Edge) == 24);

class Core;

enum class Kind : std::uint8_t { kInput, kIndex, kStage };

class Node {
 public:
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  virtual ~Node() = default;

  const std::string& name() const { return name_; }

 protected:
  friend class Core;
  friend class KeysBase;

  Node(Core& core, KeysBase& keys, Kind kind, std::string name);

  // Its turn: brings the node up to date with the nodes before it.
  virtual void refresh() = 0;
  // Drops what it keeps of the last commit's changes.
  virtual void forget_changes() = 0;
  // Whether it has something at the slot, readers apart.
  virtual bool holds(Slot slot) const = 0;
  // The rows of a table.
  virtual std::size_t size() const { return 0; }

  Core& core() const { return *core_; }
  std::uint16_t id() const { return id_; }

  // The slot changed: queues all runs that read it.
  void queue_readers(Slot slot);
  // The node has nothing at the slot any more.
  void let_go(Slot slot) { base_keys_->retire(slot); }

  // Queues a run of this stage for its turn, once.
  void queue(Slot run);
  // Empties the queue into a vector that the caller gives back through recycle().
  std::vector<Slot> take_queue();
  void recycle(std::vector<Slot> queue);
  // Marks a slot of this node; false if the current run has marked it before.
  bool mark(Slot slot);

  // In this commit.
  std::uint32_t runs_made_ = 0;
  std::uint32_t rows_changed_ = 0;

 private:
  struct Readers {
    EdgeId first = kNoEdge;
    std::uint32_t mark = 0;  // the serial number of the last run that read the slot
  };
  struct Run {
    EdgeId first_read : 31 = kNoEdge;
    EdgeId queued : 1 = 0;  // a flag
  };

  Core* core_;
  KeysBase* base_keys_;
  std::string name_;
  std::uint16_t id_ = 0;
  Kind kind_;
  std::vector<Readers> readers_;  // by slot; as long as it needs to be
  std::vector<Run> runs_;         // by run; likewise
  std::vector<Slot> queue_;
};

class Core {
 public:
  Core() : edges_(1) {}
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  CommitStats commit() noexcept;
  void forget_changes();
  std::size_t read_count() const { return edges_.size() - 1 - free_edges_; }
  std::size_t key_count() const;

  template <class T>
  T& own(std::unique_ptr<T> node) {
    T& result = *node;
    add(std::move(node));
    return result;
  }
  template <class K>
  Keys<K>& make_keys() {
    auto keys = std::make_unique<Keys<K>>();
    Keys<K>& result = *keys;
    keys_.push_back(std::move(keys));
    return result;
  }

  // Around every call of a function of the user's: `node` is whose it is.
  void enter(Node& node) { running_ = &node; }
  void leave() { running_ = nullptr; }

  void begin_run(Node& stage);
  // Of the current run.
  void record(const Node& source, Slot slot);
  // The current run is over: its reads become the run's edges.
  void end_run(Slot run);
  // The run is no more.
  void drop_run(Node& stage, Slot run);

  // Stops the program if a stage or index function is running: what it reads past Reads is not recorded.
  void require_no_run(const Node& node) const {
    if (running_ != nullptr) stop_unrecorded(node);
  }
  // Stops the program if the graph is being committed.
  void require_no_commit(const Node& node) const;
  // Stops the program unless the node is of this graph; `name` is being declared.
  void require_own(const Node& node, std::string_view name) const;

 private:
  friend class Node;
  struct Read {
    std::uint16_t source;
    Slot slot;
  };

  void add(std::unique_ptr<Node> node);
  EdgeId link(const Read& read, const Node& stage, Slot run);
  void unlink(EdgeId id);
  [[noreturn]] void stop_unrecorded(const Node& node) const;
  [[noreturn]] void stop_order(const Node& source) const;

  std::vector<std::unique_ptr<KeysBase>> keys_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<Edge> edges_;  // the first is no edge
  EdgeId first_free_ = kNoEdge;
  std::size_t free_edges_ = 0;
  std::uint64_t commits_ = 0;
  bool committing_ = false;
  Node* running_ = nullptr;
  // Of the current run. Starts shortly before the numbers are used up, so that starting over is no rare
  // event.
  std::uint32_t serial_ = ~std::uint32_t{0} - 1000;
  std::vector<Read> reads_;  // of the current run
};

inline void Core::record(const Node& source, Slot slot) {
  // Nodes of another graph fail the second test unless their numbers happen to fit, hence both.
  if (running_ == nullptr || source.core_ != this || source.id_ >= running_->id_) stop_order(source);
  if (nodes_[source.id_]->mark(slot)) reads_.push_back(Read{source.id_, slot});
}

inline bool Node::mark(Slot slot) {
  if (slot >= readers_.size()) lengthen(readers_, base_keys_->capacity());
  if (readers_[slot].mark == core_->serial_) return false;
  readers_[slot].mark = core_->serial_;
  return true;
}

inline void Node::queue(Slot run) {
  if (run >= runs_.size()) lengthen(runs_, run + 1);
  if (runs_[run].queued != 0) return;
  runs_[run].queued = 1;
  queue_.push_back(run);
}

}  // namespace internal
}  // namespace sluice::flow
