#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rdu::pcie {

/// What a function is reset by. They differ in what they spare.
enum class Reset {
  power_on,      ///< cold: nothing survives
  conventional,  ///< hot reset, link down: sticky bits survive
  function,      ///< FLR: sticky bits survive, and what a register's rights name besides
};

/// How software and resets change the bits of a register, in the terms of the PCI Express Base Specification
/// (7.4). Bits in neither `rw` nor `w1c` are read-only.
struct BitRights {
  uint32_t rw = 0;
  uint32_t w1c = 0;
  uint32_t sticky = 0;     ///< ROS, RWS, RW1CS
  uint32_t flr_keeps = 0;  ///< not sticky, but spared by an FLR (6.6.2: what belongs to the link)
};

/// A stretch of configuration space: the header or a capability. Derived classes are its data sheet: one
/// Register object a register, in order of offset. Bytes of no register are read-only zero.
class ConfigRegisters {
 public:
  explicit ConfigRegisters(size_t bytes) : bytes_(bytes) {}
  virtual ~ConfigRegisters() = default;
  ConfigRegisters(const ConfigRegisters&) = delete;
  ConfigRegisters& operator=(const ConfigRegisters&) = delete;

  size_t size() const { return bytes_.size(); }

  /// By software. [offset, offset + size) lies inside; any size and alignment. A write is applied byte by
  /// byte with the rights of each bit, then written() is called once.
  void read(size_t offset, uint8_t* data, size_t size) const;
  void write(size_t offset, const uint8_t* data, size_t size);
  void reset(Reset kind);

  class Register {
   public:
    /// `bytes`: 1 to 4.
    Register(ConfigRegisters& owner, size_t offset, size_t bytes, uint32_t reset = 0, BitRights rights = {});

    /// Hardware's view: no rights.
    uint32_t value() const;
    void set_value(uint32_t value);
    bool any(uint32_t mask) const { return (value() & mask) != 0; }
    void set(uint32_t mask) { set_value(value() | mask); }
    void clear(uint32_t mask) { set_value(value() & ~mask); }

   private:
    ConfigRegisters& owner_;
    size_t offset_;
    size_t bytes_;
  };

 protected:
  /// Software has written: time to act on what the bits now say.
  virtual void written() {}
  /// The registers have been reset.
  virtual void was_reset(Reset) {}

 private:
  struct Byte {
    uint8_t value = 0, reset = 0, rw = 0, w1c = 0, sticky = 0, flr_keeps = 0;
  };
  std::vector<Byte> bytes_;
};

}  // namespace rdu::pcie
