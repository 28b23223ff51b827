#pragma once

#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "mgmt/debug/target.h"

namespace rdu::mgmt {
class Hart;
class Management;
}  // namespace rdu::mgmt

namespace rdu::mgmt::debug {

/// The harts of a management subsystem as a debugger's threads: hart n is thread n + 1.
///
/// All stop together. A hart that has met something pauses the kernel at once; the others stand before their
/// next instruction. One that is in the middle of an access to the bus finishes it first, so a little
/// simulated time may pass until poll() tells of the stop.
class HartTarget : public Target {
 public:
  explicit HartTarget(Management& management);
  ~HartTarget() override;

  unsigned threads() const override;
  std::string thread_info(unsigned thread) const override;
  const std::vector<RegisterInfo>& registers() const override { return registers_; }
  std::optional<uint64_t> read_register(unsigned thread, unsigned number) override;
  bool write_register(unsigned thread, unsigned number, uint64_t value) override;
  bool read_memory(unsigned thread, Space space, uint64_t address, uint8_t* data, size_t size) override;
  bool write_memory(unsigned thread, Space space, uint64_t address, const uint8_t* data,
                    size_t size) override;
  bool insert(Point point, uint64_t address, uint64_t length) override;
  void remove(Point point, uint64_t address, uint64_t length) override;
  void remove_all() override;
  void resume(const std::vector<Action>& actions) override;
  void interrupt() override;
  std::optional<Stop> poll() override;

  /// Reset of the whole machine: what a debugger sees afterwards is the state after it.
  void show_reset();

 private:
  Hart& hart(unsigned thread) const;
  void describe_registers();
  void set_point(Point point, uint64_t address, uint64_t length, bool on);
  /// Calls `access` with each piece of a range that lies in one page, by physical address.
  bool each_page(unsigned thread, Space space, uint64_t address, size_t size,
                 const std::function<bool(uint64_t physical, size_t done, size_t length)>& access);

  Management& management_;
  std::vector<RegisterInfo> registers_;
  std::map<std::pair<uint64_t, uint64_t>, std::vector<Point>> points_;  ///< by address and length
  std::optional<Stop> stop_;   ///< has come, and is not told yet: not all harts stand
  bool asked_ = false;         ///< interrupt() was called
  std::vector<Stop> waiting_;  ///< of other harts, at the same time
  unsigned last_ = 1;          ///< the thread that ran last by the debugger's choice
};

}  // namespace rdu::mgmt::debug
