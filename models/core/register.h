#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

/// Memory-mapped registers. Declarations are generated from a block's YAML description (see
/// core/regen/README.md): regs/BLOCK.hpp holds a class `Registers` with one object a register. A model
/// derives from it or holds it, binds behaviour in its constructor and forwards bus accesses to access():
///
///     regs_.CTRL.on_write([this](uint64_t old) { if (regs_.CTRL.get(CTRL::START)) start(); });
///
/// Access rights, reset values and write-one-to-clear are applied here, from the description, and nowhere
/// else.
namespace rdu::core {

enum class Access : uint8_t { rw, ro, wo, w1c, w1s, rc };

struct FieldDesc {
  const char* name;
  uint8_t lsb;
  uint8_t width;
  Access access;
  uint64_t reset;    ///< of this field, not shifted
  bool is_volatile;  ///< hardware changes it by itself
};

/// A field's place in a register: what models and tests use to take values apart.
struct Field {
  uint8_t lsb;
  uint8_t width;

  constexpr uint64_t max() const { return width >= 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1; }
  constexpr uint64_t mask() const { return max() << lsb; }
  constexpr uint64_t get(uint64_t word) const { return (word >> lsb) & max(); }
  constexpr uint64_t set(uint64_t word, uint64_t value) const {
    return (word & ~mask()) | ((value & max()) << lsb);
  }
};

struct RegisterDesc {
  const char* name;
  uint32_t offset;  ///< bytes from the block's (or group's) start
  uint8_t width;    ///< bits: 8, 16, 32 or 64
  bool write_effect;
  bool read_effect;
  const FieldDesc* fields;
  size_t field_count;
  uint64_t reset;
  uint64_t writable;  ///< bits that a plain write replaces (rw and wo)
  uint64_t readable;  ///< bits that a read returns
  uint64_t w1c;
  uint64_t w1s;
  uint64_t read_clears;
  uint64_t is_volatile;
};

/// Folds a description's fields into the masks that accesses need.
template <size_t N>
constexpr RegisterDesc describe(const char* name, uint32_t offset, uint8_t width, bool write_effect,
                                bool read_effect, const FieldDesc (&fields)[N]) {
  RegisterDesc d{name, offset, width, write_effect, read_effect, fields, N, 0, 0, 0, 0, 0, 0, 0};
  for (const FieldDesc& f : fields) {
    const Field place{f.lsb, f.width};
    const uint64_t mask = place.mask();
    d.reset |= f.reset << f.lsb;
    if (f.access == Access::rw || f.access == Access::wo) d.writable |= mask;
    if (f.access != Access::wo) d.readable |= mask;
    if (f.access == Access::w1c) d.w1c |= mask;
    if (f.access == Access::w1s) d.w1s |= mask;
    if (f.access == Access::rc) d.read_clears |= mask;
    if (f.is_volatile) d.is_volatile |= mask;
  }
  return d;
}

class RegisterFile;

/// One register: value, access rights and the behaviour a model binds to it.
class Register {
 public:
  Register(RegisterFile& file, const RegisterDesc& desc);
  Register(RegisterFile& file, const RegisterDesc& desc, uint64_t offset, std::string name);
  Register(const Register&) = delete;
  Register& operator=(const Register&) = delete;

  const RegisterDesc& desc() const { return desc_; }
  const std::string& name() const { return name_; }
  uint64_t offset() const { return offset_; }
  unsigned bytes() const { return desc_.width / 8u; }

  /// Hardware's view: no rights, no hooks.
  uint64_t value() const { return value_; }
  void set_value(uint64_t value) { value_ = value; }
  uint64_t get(Field field) const { return field.get(value_); }
  void set(Field field, uint64_t value) { value_ = field.set(value_, value); }

  /// Called after software's write has been applied, with the value before it. Rights are applied first; bits
  /// of access `wo` hold what was written until the hook returns, then zero.
  void on_write(std::function<void(uint64_t before)> hook) { write_hook_ = std::move(hook); }
  /// Called before software's read takes the value: refresh it with set_value().
  void on_read(std::function<void()> hook) { read_hook_ = std::move(hook); }

  /// Software's view: rights apply and hooks run.
  uint64_t read();
  void write(uint64_t value);
  /// What a debugger sees: rights apply, nothing changes, no write hook. (The read hook runs if it has no
  /// effect.)
  uint64_t peek();

  void reset() { value_ = desc_.reset; }

 private:
  const RegisterDesc& desc_;
  std::string name_;
  uint64_t offset_;
  uint64_t value_;
  std::function<void(uint64_t)> write_hook_;
  std::function<void()> read_hook_;
};

/// A block's registers by offset.
class RegisterFile {
 public:
  RegisterFile(const char* name, uint64_t size) : block_name_(name), size_(size) {}
  virtual ~RegisterFile() = default;
  RegisterFile(const RegisterFile&) = delete;
  RegisterFile& operator=(const RegisterFile&) = delete;

  const char* block_name() const { return block_name_; }
  uint64_t size() const { return size_; }
  const std::vector<Register*>& registers() const { return registers_; }
  Register* find(uint64_t offset) const;
  Register* find(const std::string& name) const;

  /// A bus access of `length` bytes (1, 2, 4 or 8). False if no register answers: outside the block, between
  /// registers, misaligned, or a size that is neither the register's own nor a 4-byte half of a 64-bit
  /// register. A half is read with the whole register's read effect; a half is written by merging it into the
  /// current value.
  bool access(bool write, uint64_t offset, unsigned length, uint8_t* data);
  /// The same for debuggers, without effects. Writes are refused.
  bool peek(uint64_t offset, unsigned length, uint8_t* data);

  /// A successful access by software.
  struct Access {
    bool write;
    const Register& reg;
    uint64_t mask;    ///< the bits of the register that it carries: all, or a half
    uint64_t before;  ///< the value when it came
    uint64_t value;   ///< read or written, in the register's place
  };
  /// Called after each of them, in the order of their coming, until unobserve(). Gives the observer's number.
  using Observer = std::function<void(const Access& access)>;
  unsigned observe(Observer observer);
  void unobserve(unsigned number);

  void reset();

 private:
  friend class Register;
  void add(Register* reg);

  const char* block_name_;
  uint64_t size_;
  std::vector<Register*> registers_;
  std::map<uint64_t, Register*> by_offset_;
  std::vector<std::pair<unsigned, Observer>> observers_;
  unsigned observers_so_far_ = 0;
};

std::string indexed(const char* group, unsigned index);  ///< "GROUP[3]"

/// N objects of a type that cannot be moved, each made from (file, index).
template <class T, unsigned N>
class Indexed {
 public:
  explicit Indexed(RegisterFile& file) : Indexed(file, std::make_integer_sequence<unsigned, N>{}) {}
  T& operator[](unsigned i) { return items_.at(i); }
  const T& operator[](unsigned i) const { return items_.at(i); }
  static constexpr unsigned size() { return N; }
  auto begin() { return items_.begin(); }
  auto end() { return items_.end(); }

 private:
  template <unsigned... I>
  Indexed(RegisterFile& file, std::integer_sequence<unsigned, I...>) : items_{T(file, I)...} {}
  std::array<T, N> items_;
};

/// N registers of one description.
template <unsigned N>
class RegisterArray {
 public:
  RegisterArray(RegisterFile& file, const RegisterDesc& desc, uint64_t stride)
      : RegisterArray(file, desc, stride, std::make_integer_sequence<unsigned, N>{}) {}
  Register& operator[](unsigned i) { return items_.at(i); }
  const Register& operator[](unsigned i) const { return items_.at(i); }
  static constexpr unsigned size() { return N; }
  auto begin() { return items_.begin(); }
  auto end() { return items_.end(); }

 private:
  template <unsigned... I>
  RegisterArray(RegisterFile& file, const RegisterDesc& desc, uint64_t stride,
                std::integer_sequence<unsigned, I...>)
      : items_{Register(file, desc, desc.offset + I * stride, indexed(desc.name, I))...} {}
  std::array<Register, N> items_;
};

}  // namespace rdu::core
