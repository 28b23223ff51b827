#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "core/systemc.h"
#include "core/time.h"
#include "core/transfer.h"

namespace rdu::mgmt {

inline constexpr uint64_t kPage = 4096;

/// Bytes on the bus that the hart reaches by a host pointer: what ROM, RAM and flash are made of. Construct
/// inside a module's constructor (it has a TLM socket).
class Memory {
 public:
  enum class Kind { read_only, writable };

  /// `capacity` bytes, a multiple of 4 KiB, read as zero until filled. `window` is the size of the address
  /// range; what lies in it behind the capacity answers as `beyond` says.
  enum class Beyond { address_error, all_ones };
  Memory(const std::string& name, Kind kind, uint64_t capacity, Beyond beyond = Beyond::address_error);
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  tlm_utils::simple_target_socket<Memory> socket;

  const std::string& name() const { return name_; }
  uint8_t* data() { return bytes_.get(); }
  const uint8_t* data() const { return bytes_.get(); }
  uint64_t capacity() const { return capacity_; }

  /// Replaces everything: the bytes, then `fill` up to a whole page. The capacity becomes that. Only before
  /// the simulation starts, because harts keep host pointers.
  void replace(const std::vector<uint8_t>& bytes, uint8_t fill);
  /// A loader's access. False if any byte lies outside.
  bool debug(uint64_t offset, uint8_t* data, uint64_t length, bool write);

 private:
  struct Free {
    void operator()(uint8_t* p) const { std::free(p); }
  };
  static std::unique_ptr<uint8_t[], Free> allocate(uint64_t capacity);
  bool inside(uint64_t offset, uint64_t length) const {
    return offset <= capacity_ && length <= capacity_ - offset;
  }
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  unsigned transport_dbg(tlm::tlm_generic_payload& payload);
  bool get_direct_mem_ptr(tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi);

  std::string name_;
  Kind kind_;
  Beyond beyond_;
  uint64_t capacity_;
  std::unique_ptr<uint8_t[], Free> bytes_;
};

/// The management RAM: the hart's by host pointer, everybody else's through the top-level network, with a
/// fixed latency and no limit of bandwidth.
class Ram : public core::TransferTarget {
 public:
  Ram(const std::string& name, uint64_t size, core::Time latency);

  Memory& memory() { return memory_; }
  uint8_t* data() { return memory_.data(); }
  uint64_t size() const { return memory_.capacity(); }

  // core::TransferTarget: done = arrive + latency. decode_error if any byte lies outside.
  void access(core::Transfer& t, uint64_t offset, core::Time arrive) override;
  bool debug(uint64_t offset, uint8_t* data, uint64_t length, bool write) override;

 private:
  Memory memory_;
  core::Time latency_;
};

}  // namespace rdu::mgmt
