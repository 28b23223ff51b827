#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace rdu::mgmt::debug {

/// The longest payload that is taken or sent, in bytes as they travel. Told to gdb as PacketSize; ours.
inline constexpr size_t kPacketSize = 0x4000;

/// "$payload#checksum", with the four bytes that mean something to the framing escaped.
std::string frame(const std::string& payload);

/// Takes the bytes of a connection apart: the lowest layer of the GDB remote serial protocol. It never fails:
/// what is no packet is skipped, what is a damaged one is told.
class PacketReader {
 public:
  enum class Event : uint8_t {
    none,       ///< more bytes are needed
    packet,     ///< payload() has its content, without escapes
    damaged,    ///< a packet whose checksum is wrong, or that is too long
    interrupt,  ///< the byte 3, by which gdb asks a running target to stop
    ack,        ///< '+'
    nack,       ///< '-': the last packet shall be sent again
  };

  void feed(const char* data, size_t size) {
    bytes_.erase(0, at_);
    at_ = 0;
    bytes_.append(data, size);
  }
  /// The next event in what was fed.
  Event next();
  const std::string& payload() const { return payload_; }
  /// Bytes that next() has not yet looked at.
  size_t waiting() const { return bytes_.size() - at_; }

 private:
  Event end_of_packet(uint8_t byte);

  enum class State : uint8_t { idle, payload, escape, checksum_high, checksum_low } state_ = State::idle;
  std::string bytes_;
  size_t at_ = 0;
  std::string payload_;
  uint8_t sum_ = 0;
  int checksum_ = 0;  ///< as sent; negative: not two hexadecimal digits
  bool too_long_ = false;
};

}  // namespace rdu::mgmt::debug
