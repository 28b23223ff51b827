#include "mgmt/debug/packet.h"

#include "mgmt/debug/hex.h"

namespace rdu::mgmt::debug {

namespace {

constexpr char kEscape = '}';
constexpr char kEscapeBit = 0x20;

}  // namespace

std::string frame(const std::string& payload) {
  std::string out = "$";
  out.reserve(payload.size() + 4);
  uint8_t sum = 0;
  const auto put = [&](char c) {
    out += c;
    sum = static_cast<uint8_t>(sum + static_cast<uint8_t>(c));
  };
  for (const char c : payload) {
    if (c == '$' || c == '#' || c == kEscape || c == '*') {
      put(kEscape);
      put(static_cast<char>(c ^ kEscapeBit));
    } else {
      put(c);
    }
  }
  out += '#';
  append_hex(out, sum);
  return out;
}

PacketReader::Event PacketReader::next() {
  while (at_ < bytes_.size()) {
    const char c = bytes_[at_++];
    const auto byte = static_cast<uint8_t>(c);
    switch (state_) {
      case State::idle:
        if (c == '$') {
          payload_.clear();
          sum_ = 0;
          too_long_ = false;
          state_ = State::payload;
        } else if (c == '\x03') {
          return Event::interrupt;
        } else if (c == '+') {
          return Event::ack;
        } else if (c == '-') {
          return Event::nack;
        }
        break;
      case State::payload:
      case State::escape:
        if (c == '#') {
          state_ = State::checksum_high;
          break;
        }
        if (c == '$') {  // the rest of the packet before was lost
          payload_.clear();
          sum_ = 0;
          too_long_ = false;
          state_ = State::payload;
          break;
        }
        sum_ = static_cast<uint8_t>(sum_ + byte);
        if (state_ == State::payload && c == kEscape) {
          state_ = State::escape;
          break;
        }
        if (payload_.size() >= kPacketSize) {
          too_long_ = true;
        } else {
          payload_ += state_ == State::escape ? static_cast<char>(c ^ kEscapeBit) : c;
        }
        state_ = State::payload;
        break;
      case State::checksum_high:
        checksum_ = hex_digit(c);
        state_ = State::checksum_low;
        break;
      case State::checksum_low:
        return end_of_packet(byte);
    }
  }
  bytes_.clear();
  at_ = 0;
  return Event::none;
}

PacketReader::Event PacketReader::end_of_packet(uint8_t byte) {
  state_ = State::idle;
  const int low = hex_digit(static_cast<char>(byte));
  const bool is_good = checksum_ >= 0 && low >= 0 && (checksum_ << 4 | low) == sum_;
  return is_good && !too_long_ ? Event::packet : Event::damaged;
}

}  // namespace rdu::mgmt::debug
