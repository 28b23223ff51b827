#include "mgmt/debug/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "mgmt/management.h"

namespace rdu::mgmt::debug {

namespace {

constexpr uint64_t kPageMask = 0xfff;
/// Deeper stacks are cut: code that never returns. Ours.
constexpr size_t kDeepest = 256;

/// By the calling convention's hint: these hold return addresses.
bool is_link(unsigned reg) {
  return reg == 1 || reg == 5;
}

}  // namespace

Profile::Profile(Management& management) : management_(management), harts_(management.harts()) {
  for (unsigned i = 0; i < management.harts(); ++i) management.hart(i).follow(*this);
}

Profile::~Profile() {
  for (unsigned i = 0; i < management_.harts(); ++i) management_.hart(i).unfollow(*this);
}

Profile::Function& Profile::function_at(uint64_t pc) {
  if (recent_ && pc >= recent_->first && pc <= recent_->last) return *recent_;
  auto next = functions_.upper_bound(pc);
  if (next != functions_.begin()) {
    Function& known = *std::prev(next)->second;
    if (pc <= known.last) {
      recent_ = &known;
      return known;
    }
  }
  auto fresh = std::make_unique<Function>();
  if (const auto range = management_.symbols().range(pc)) {
    fresh->name = range->name;
    fresh->first = range->first;
    fresh->last = range->last;
  } else {
    fresh->first = pc & ~kPageMask;
    fresh->last = pc | kPageMask;
    fresh->name = fmt::format("{:#x}", fresh->first);
    // It must not cover what has a name.
    if (next != functions_.end()) fresh->last = std::min(fresh->last, next->second->first - 1);
    if (next != functions_.begin()) fresh->first = std::max(fresh->first, std::prev(next)->second->last + 1);
  }
  recent_ = fresh.get();
  functions_[fresh->first] = std::move(fresh);
  return *recent_;
}

Profile::Node* Profile::child(Node& node, Function& function) {
  auto& slot = node.called[&function];
  if (!slot) {
    slot = std::make_unique<Node>();
    slot->function = &function;
    slot->caller = &node;
  }
  return slot.get();
}

bool Profile::executed(const Executed& e) {
  Hart& hart = harts_[e.hart];
  Function& function = function_at(e.pc);
  if (hart.frames.empty()) hart.frames.push_back({child(hart.root, function), ~uint64_t{0}, false});
  Frame& top = hart.frames.back();
  // A jump or a fall-through into another function takes the place of the one before.
  if (top.node->function != &function) top.node = child(*top.node->caller, function);
  if (hart.jumped && e.pc == function.first) ++function.calls;
  hart.jumped = false;
  if (e.retired) ++function.instructions;
  function.cycles += e.cycles;
  top.node->cycles += e.cycles;
  if (e.retired) follow(hart, e);
  return true;
}

void Profile::follow(Hart& hart, const Executed& e) {
  const Instruction& i = e.instruction;
  const bool is_jump = i.op == Op::jal || i.op == Op::jalr;
  hart.jumped = is_jump;
  if (is_jump && is_link(i.rd)) {
    if (hart.frames.size() >= kDeepest) hart.frames.erase(hart.frames.begin() + 1);
    Node* const callee = child(*hart.frames.back().node, function_at(e.next_pc));
    hart.frames.push_back({callee, e.pc + i.length, false});
    return;
  }
  const bool is_return = i.op == Op::jalr && i.rd == 0 && is_link(i.rs1);
  const bool is_trap_return = i.op == Op::mret || i.op == Op::sret;
  if (!is_return && !is_trap_return) return;
  hart.jumped = false;
  for (size_t n = hart.frames.size(); n > 1; --n) {
    const Frame& frame = hart.frames[n - 1];
    if (frame.is_trap != is_trap_return || (is_return && frame.return_to != e.next_pc)) continue;
    hart.frames.resize(n - 1);
    return;
  }
}

void Profile::entered(unsigned index, bool, uint64_t, uint64_t handler, core::Time) {
  Hart& hart = harts_[index];
  if (hart.frames.empty() || hart.frames.size() >= kDeepest) return;
  hart.frames.push_back({child(*hart.frames.back().node, function_at(handler)), 0, true});
  hart.jumped = true;
}

const Profile::Function* Profile::find(const std::string& name) const {
  for (const auto& [first, function] : functions_) {
    if (function->name == name) return function.get();
  }
  return nullptr;
}

void Profile::write_text(std::ostream& out) const {
  std::vector<const Function*> sorted;
  uint64_t cycles = 0, instructions = 0;
  for (const auto& [first, function] : functions_) {
    sorted.push_back(function.get());
    cycles += function->cycles;
    instructions += function->instructions;
  }
  std::sort(sorted.begin(), sorted.end(), [](const Function* a, const Function* b) {
    return a->cycles != b->cycles ? a->cycles > b->cycles : a->first < b->first;
  });
  out << fmt::format("{:>14} {:>7} {:>14} {:>12}  {}\n", "cycles", "%", "instructions", "calls", "function");
  for (const Function* f : sorted) {
    const double share = cycles ? 100.0 * static_cast<double>(f->cycles) / static_cast<double>(cycles) : 0;
    out << fmt::format("{:>14} {:>7.2f} {:>14} {:>12}  {}\n", f->cycles, share, f->instructions, f->calls,
                       f->name);
  }
  out << fmt::format("{:>14} {:>7.2f} {:>14} {:>12}  {}\n", cycles, 100.0, instructions, "", "all");
}

void Profile::fold(std::ostream& out, const Node& node, const std::string& path) const {
  if (node.cycles != 0) out << path << ' ' << node.cycles << '\n';
  // By address, so that equal runs give equal files.
  std::vector<const Node*> called;
  for (const auto& [function, child] : node.called) called.push_back(child.get());
  std::sort(called.begin(), called.end(),
            [](const Node* a, const Node* b) { return a->function->first < b->function->first; });
  for (const Node* child : called) fold(out, *child, path + ";" + child->function->name);
}

void Profile::write_folded(std::ostream& out) const {
  for (size_t i = 0; i < harts_.size(); ++i) fold(out, harts_[i].root, fmt::format("hart{}", i));
}

}  // namespace rdu::mgmt::debug
