#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rdu::mgmt::debug {

/// A register as a debugger names it. Values of all travel as 64-bit numbers here.
struct RegisterInfo {
  unsigned number;      ///< gdb's
  std::string name;     ///< "sp", "mstatus"
  unsigned bits;        ///< 32 or 64
  std::string type;     ///< of the target description: "int", "code_ptr", "data_ptr", "ieee_double"
  std::string group;    ///< "general", "float", "csr"
  std::string feature;  ///< "org.gnu.gdb.riscv.cpu"
};

/// What a breakpoint or watchpoint waits for; the values are those of the protocol's Z packets.
enum class Point : uint8_t { software, hardware, write, read, access };

enum class Space : uint8_t {
  translated,  ///< as the hart sees it now, through its address translation
  physical,
};

/// What a hart does when time goes on.
enum class Action : uint8_t { hold, run, step };

/// Why everything stopped.
struct Stop {
  enum class Why : uint8_t {
    attached,   ///< a debugger has come
    interrupt,  ///< the debugger asked for it
    step,       ///< the step is done
    point,      ///< `point` was met, at `address`
  };
  unsigned thread = 1;
  Why why = Why::attached;
  Point point = Point::software;
  uint64_t address = 0;  ///< of a watchpoint: the first watched byte that the access touches
};

/// What the stub needs of a machine with one or several harts. Threads are counted from 1; all arguments have
/// been checked for form, threads and registers exist. Everything but poll() is called while all harts stand.
class Target {
 public:
  virtual ~Target() = default;

  virtual unsigned threads() const = 0;
  /// "hart 0, machine mode, waits for an interrupt": for `info threads`.
  virtual std::string thread_info(unsigned thread) const = 0;

  /// By number. The first 33 are x0 to x31 and pc.
  virtual const std::vector<RegisterInfo>& registers() const = 0;
  /// Nothing if it has no value now.
  virtual std::optional<uint64_t> read_register(unsigned thread, unsigned number) = 0;
  /// False if it cannot be written.
  virtual bool write_register(unsigned thread, unsigned number, uint64_t value) = 0;

  /// False if any byte cannot be accessed. Reading has no effect on the machine.
  virtual bool read_memory(unsigned thread, Space space, uint64_t address, uint8_t* data, size_t size) = 0;
  virtual bool write_memory(unsigned thread, Space space, uint64_t address, const uint8_t* data,
                            size_t size) = 0;

  /// False if there is no such thing at that place. What is inserted twice is there once.
  virtual bool insert(Point point, uint64_t address, uint64_t length) = 0;
  virtual void remove(Point point, uint64_t address, uint64_t length) = 0;
  virtual void remove_all() = 0;

  /// Lets time go on, one action a thread.
  virtual void resume(const std::vector<Action>& actions) = 0;
  /// Asks a running machine to stop; poll() tells when it has.
  virtual void interrupt() = 0;
  /// The stop that has come since resume() or interrupt(), once all harts stand.
  virtual std::optional<Stop> poll() = 0;
};

}  // namespace rdu::mgmt::debug
