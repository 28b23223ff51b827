#pragma once

#include <cstdint>
#include <iosfwd>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mgmt/instruction_observer.h"

namespace rdu::mgmt {
class Management;
}

namespace rdu::mgmt::debug {

/// Counts instructions, cycles and calls of each function that the harts execute, by the symbols of the
/// images.
///
/// - *Cycles* are the hart's, waiting for the bus included and WFI's sleep not.
/// - *Calls* are entries at a function's first instruction by a jump from elsewhere; a jump at the end of
/// another
///   function (a tail call) is one, a return or a fall-through is not.
/// - Stacks follow calls that leave a return address in ra or t0, and traps. Code without a symbol is counted
/// under
///   its page.
class Profile : public InstructionObserver {
 public:
  /// Follows all harts from now on.
  explicit Profile(Management& management);
  ~Profile() override;

  bool executed(const Executed& e) override;
  void entered(unsigned hart, bool is_interrupt, uint64_t cause, uint64_t handler, core::Time at) override;

  /// A table, the function with the most cycles first.
  void write_text(std::ostream& out) const;
  /// "hart0;main;boot;train 1234": cycles by stack, as flame graph tools read them.
  void write_folded(std::ostream& out) const;

  struct Function {
    std::string name;
    uint64_t first = 0;
    uint64_t last = 0;  ///< inclusive
    uint64_t instructions = 0;
    uint64_t cycles = 0;
    uint64_t calls = 0;
  };
  /// Null if it was never executed.
  const Function* find(const std::string& name) const;

 private:
  /// A stack: a function and who called it.
  struct Node {
    Function* function = nullptr;
    Node* caller = nullptr;
    uint64_t cycles = 0;
    std::map<Function*, std::unique_ptr<Node>> called;
  };
  struct Frame {
    Node* node;
    uint64_t return_to;
    bool is_trap;
  };
  struct Hart {
    Node root;
    std::vector<Frame> frames;  ///< the last one runs
    bool jumped = true;         ///< the instruction before was a jump
  };

  Function& function_at(uint64_t pc);
  static Node* child(Node& node, Function& function);
  void fold(std::ostream& out, const Node& node, const std::string& path) const;
  void follow(Hart& hart, const Executed& e);

  Management& management_;
  std::map<uint64_t, std::unique_ptr<Function>> functions_;  ///< by first address
  Function* recent_ = nullptr;
  std::vector<Hart> harts_;
};

}  // namespace rdu::mgmt::debug
