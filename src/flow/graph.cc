#include "flow/graph.h"

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <utility>

namespace sluice::flow {
namespace internal {

void stop(std::initializer_list<std::string_view> parts) {
  std::string line = "flow: ";
  for (const std::string_view part : parts) line += part;
  line += '\n';
  std::fputs(line.c_str(), stderr);
  std::abort();
}

void KeysBase::sweep() {
  for (const Slot slot : retired_) {
    if (!live_[slot]) continue;
    bool used = false;
    for (const Node* node : nodes_) {
      used = (slot < node->readers_.size() && node->readers_[slot].first != kNoEdge) || node->holds(slot);
      if (used) break;
    }
    if (used) continue;
    forget(slot);
    live_[slot] = false;
    free_.push_back(slot);
  }
  retired_.clear();
}

// ---- Node -------------------------------------------------------------------------------------

Node::Node(Core& core, KeysBase& keys, Kind kind, std::string name)
    : core_(&core), base_keys_(&keys), name_(std::move(name)), kind_(kind) {
  keys.share(*this);
}

void Node::queue_readers(Slot slot) {
  if (slot >= readers_.size()) return;
  for (EdgeId id = readers_[slot].first; id != kNoEdge;) {
    const Edge& edge = core_->edges_[id];
    core_->nodes_[edge.stage]->queue(edge.run);
    id = edge.next_reader;
  }
}

std::vector<Slot> Node::take_queue() {
  std::vector<Slot> taken = std::move(queue_);
  queue_.clear();
  for (const Slot run : taken) runs_[run].queued = 0;
  return taken;
}

void Node::recycle(std::vector<Slot> queue) {
  clear(queue);
  queue_ = std::move(queue);
}

// ---- Core -------------------------------------------------------------------------------------

void Core::add(std::unique_ptr<Node> node) {
  if (commits_ != 0) stop({node->name_, " is declared after the first commit"});
  if (nodes_.size() == std::numeric_limits<std::uint16_t>::max()) stop({"too many nodes"});
  for (const auto& other : nodes_) {
    if (other->name_ == node->name_) stop({node->name_, " is declared twice"});
  }
  node->id_ = static_cast<std::uint16_t>(nodes_.size());
  nodes_.push_back(std::move(node));
}

void Core::forget_changes() {
  for (const auto& node : nodes_) node->forget_changes();
}

// noexcept by intention: a stage function that throws would leave the graph half updated.
CommitStats Core::commit() noexcept {
  if (committing_) stop({"commit within a commit"});
  committing_ = true;
  forget_changes();
  for (const auto& keys : keys_) keys->sweep();

  CommitStats stats;
  stats.commit = ++commits_;
  stats.stages.reserve(nodes_.size());
  for (const auto& node : nodes_) {
    node->runs_made_ = 0;
    node->rows_changed_ = 0;
    node->refresh();
    if (node->kind_ == Kind::kInput) stats.inputs_changed += node->rows_changed_;
    if (node->kind_ != Kind::kStage) continue;
    stats.stages.push_back({node->name_, node->runs_made_, node->rows_changed_, node->size()});
    stats.runs += node->runs_made_;
    stats.changed += node->rows_changed_;
  }
  committing_ = false;
  return stats;
}

std::size_t Core::key_count() const {
  std::size_t count = 0;
  for (const auto& keys : keys_) count += keys->size();
  return count;
}

void Core::begin_run(Node& stage) {
  enter(stage);
  ++stage.runs_made_;
  reads_.clear();
  if (++serial_ != 0) return;
  // All four billion serial numbers are used: no mark may seem to be of the runs to come.
  for (const auto& node : nodes_) {
    for (Node::Readers& readers : node->readers_) readers.mark = 0;
  }
  serial_ = 1;
}

void Core::end_run(Slot run) {
  Node& stage = *running_;
  leave();
  // The reads that the last run made too, in the same order, keep their edges.
  EdgeId last = kNoEdge;
  EdgeId stale = stage.runs_[run].first_read;
  auto read = reads_.begin();
  for (; stale != kNoEdge && read != reads_.end(); ++read) {
    const Edge& edge = edges_[stale];
    if (edge.source != read->source || edge.slot != read->slot) break;
    last = stale;
    stale = edge.next_read;
  }
  if (last == kNoEdge) {
    stage.runs_[run].first_read = kNoEdge;
  } else {
    edges_[last].next_read = kNoEdge;
  }
  for (; read != reads_.end(); ++read) {
    const EdgeId id = link(*read, stage, run);
    if (last == kNoEdge) {
      stage.runs_[run].first_read = id;
    } else {
      edges_[last].next_read = id;
    }
    last = id;
  }
  while (stale != kNoEdge) {
    const EdgeId next = edges_[stale].next_read;
    unlink(stale);
    stale = next;
  }
}

void Core::drop_run(Node& stage, Slot run) {
  EdgeId id = stage.runs_[run].first_read;
  stage.runs_[run].first_read = kNoEdge;
  while (id != kNoEdge) {
    const EdgeId next = edges_[id].next_read;
    unlink(id);
    id = next;
  }
}

EdgeId Core::link(const Read& read, const Node& stage, Slot run) {
  EdgeId id = first_free_;
  if (id != kNoEdge) {
    first_free_ = edges_[id].next_read;
    --free_edges_;
  } else {
    if (edges_.size() > kMaxEdge) stop({"too many reads"});
    // By a quarter, not by the double: the pool is most of what the graph needs beside the rows.
    if (edges_.size() == edges_.capacity()) edges_.reserve(edges_.size() + edges_.size() / 4 + 64);
    id = static_cast<EdgeId>(edges_.size());
    edges_.emplace_back();
  }
  EdgeId& first = nodes_[read.source]->readers_[read.slot].first;
  if (first != kNoEdge) edges_[first].previous_reader = id;
  edges_[id] = Edge{.source = read.source,
                    .stage = stage.id_,
                    .slot = read.slot,
                    .run = run,
                    .previous_reader = kNoEdge,
                    .next_reader = first,
                    .next_read = kNoEdge};
  first = id;
  return id;
}

void Core::unlink(EdgeId id) {
  Edge& edge = edges_[id];
  Node& source = *nodes_[edge.source];
  if (edge.next_reader != kNoEdge) edges_[edge.next_reader].previous_reader = edge.previous_reader;
  if (edge.previous_reader != kNoEdge) {
    edges_[edge.previous_reader].next_reader = edge.next_reader;
  } else {
    source.readers_[edge.slot].first = edge.next_reader;
    if (edge.next_reader == kNoEdge && !source.holds(edge.slot)) source.let_go(edge.slot);
  }
  edge.next_read = first_free_;
  first_free_ = id;
  ++free_edges_;
}

void Core::require_no_commit(const Node& node) const {
  if (committing_) stop({node.name_, " is edited within a commit"});
}

void Core::require_own(const Node& node, std::string_view name) const {
  if (node.core_ != this) stop({name, " is declared over ", node.name_, ", which is of another graph"});
}

void Core::stop_unrecorded(const Node& node) const {
  stop({running_->name_, " reads ", node.name_, " without recording it: read through Reads"});
}

void Core::stop_order(const Node& source) const {
  if (running_ == nullptr) stop({source.name_, " is read through Reads after the run is over"});
  if (source.core_ != this) stop({running_->name_, " reads ", source.name_, ", which is of another graph"});
  stop({running_->name_, " reads ", source.name_, ", which is not declared before it"});
}

}  // namespace internal

StageStats CommitStats::of(std::string_view stage) const {
  for (const StageStats& stats : stages) {
    if (stats.name == stage) return stats;
  }
  return {};
}

}  // namespace sluice::flow
