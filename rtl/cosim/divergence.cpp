#include "cosim/divergence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "fabric/pcu/pcu_config.h"
#include "fabric/pmu/pmu_config.h"

namespace rdu::cosim {
namespace {

using fabric::PacketHead;
using fabric::PinOutputs;

constexpr uint64_t kHeadMask = (uint64_t{1} << 40) - 1;

template <class Use>
void for_each_bit(uint32_t mask, Use use) {
  for (; mask != 0; mask &= mask - 1) use(static_cast<unsigned>(__builtin_ctz(mask)));
}

/// An element of a vector, with what it means.
std::string value_text(const uint8_t* bytes, const VectorShape& shape) {
  uint32_t bits = 0;
  std::memcpy(&bits, bytes, shape.element);
  std::string text = fmt::format("0x{:0{}x}", bits, 2 * shape.element);
  if (!shape.is_float) return text;
  const uint32_t wide = shape.element == 2 ? bits << 16 : bits;
  float value;
  std::memcpy(&value, &wide, 4);
  return text + fmt::format(" ({})", value);
}

VectorShape shape_of(fabric::PcuConfig::Format format) {
  using Format = fabric::PcuConfig::Format;
  switch (format) {
    case Format::fp32:
      return {4, 2, true, "lane"};
    case Format::int32:
      return {4, 2, false, "lane"};
    case Format::int8:
      return {1, 1, false, "lane"};
    default:
      return {2, 1, true, "lane"};
  }
}

}  // namespace

std::string Stream::name() const {
  switch (kind) {
    case Kind::packet:
      return fmt::format("output {}", port);
    case Kind::scalar:
      return fmt::format("scalar output {}", port);
    case Kind::token:
      return fmt::format("token output {}", port);
    case Kind::credit:
      return fmt::format("credits of input {}", port) + (flow != 0 ? fmt::format(", flow {}", flow) : "");
    case Kind::scalar_credit:
      return fmt::format("credits of scalar input {}", port) +
             (flow != 0 ? fmt::format(", flow {}", flow) : "");
    case Kind::scratchpad:
      return "scratchpad";
    default:
      return "end";
  }
}

const char* to_string(Divergence::Kind kind) {
  static constexpr const char* kNames[] = {"value",   "head",       "late",    "early",
                                           "missing", "unexpected", "content", "end"};
  return kNames[static_cast<size_t>(kind)];
}

std::string Divergence::text() const {
  std::string text = fmt::format("{}: {}", unit, stream.name());
  if (!peer.empty()) text += fmt::format(" ({})", peer);
  switch (stream.kind) {
    case Stream::Kind::packet:
      text += fmt::format(", vector {}", index);
      break;
    case Stream::Kind::scalar:
      text += fmt::format(", word {}", index);
      break;
    case Stream::Kind::token:
      text += fmt::format(", token {}", index);
      break;
    case Stream::Kind::credit:
    case Stream::Kind::scalar_credit:
      text += fmt::format(", credit {}", index);
      break;
    default:
      break;
  }
  if (!place.empty()) text += ", " + place;
  text += fmt::format(", cycle {}: expected {}, got {}", cycle, expected, actual);
  if (!more.empty()) text += fmt::format(" ({})", more);
  return text;
}

std::vector<VectorShape> shapes_of(unsigned kind, const fabric::FabricParams& params,
                                   const fabric::ConfigWords& words) {
  std::vector<VectorShape> shapes(pins_of(kind).packet_out);
  try {
    if (kind == RDU_UNIT_PCU) {
      const auto config = fabric::PcuConfig::decode(words, params);
      for (size_t i = 0; i < shapes.size(); ++i) shapes[i] = shape_of(config.programs[i].format);
    } else if (kind == RDU_UNIT_PMU) {
      const auto config = fabric::PmuConfig::decode(words, params);
      for (size_t i = 0; i < shapes.size(); ++i) shapes[i] = {config.read[i].element, 1, false, "lane"};
    }
  } catch (const fabric::BadConfig&) {
  }
  return shapes;
}

Comparator::Comparator(const std::string& unit, const fabric::PinCounts& pins,
                       std::vector<VectorShape> shapes)
    : unit_(unit),
      pins_(pins),
      shapes_(std::move(shapes)),
      packets_(pins.packet_out),
      scalars_(pins.scalar_out),
      tokens_(pins.token_out),
      credits_(pins.packet_in * pins.flows),
      scalar_credits_(pins.scalar_in * pins.scalar_flows) {}

void Comparator::compare(uint64_t cycle, const PinOutputs& expected, const PinOutputs& actual) {
  if (first_) return;
  if (pending_) {
    follow(cycle, expected, actual);
    return;
  }
  compare_streams(cycle, expected, actual);
  count(expected);
}

/// What carries data first: it tells more than a credit does.
void Comparator::compare_streams(uint64_t cycle, const PinOutputs& expected, const PinOutputs& actual) {
  for (uint32_t both = expected.valid & actual.valid; both != 0; both &= both - 1) {
    if (!compare_packet(cycle, static_cast<unsigned>(__builtin_ctz(both)), expected, actual)) return;
  }
  for (uint32_t both = expected.scalar_valid & actual.scalar_valid; both != 0; both &= both - 1) {
    if (!compare_word(cycle, static_cast<unsigned>(__builtin_ctz(both)), expected, actual)) return;
  }
  if (!only_one(Stream::Kind::packet, cycle, expected.valid, actual.valid)) return;
  if (!only_one(Stream::Kind::scalar, cycle, expected.scalar_valid, actual.scalar_valid)) return;
  if (!only_one(Stream::Kind::token, cycle, expected.tokens, actual.tokens)) return;
  const auto credits = [&](Stream::Kind kind, uint32_t expected_ports, uint32_t actual_ports,
                           const auto& expected_flows, const auto& actual_flows) {
    for (uint32_t ports = expected_ports | actual_ports; ports != 0; ports &= ports - 1) {
      const auto port = static_cast<unsigned>(__builtin_ctz(ports));
      const unsigned want = (expected_ports >> port & 1) != 0 ? expected_flows[port] : 0;
      const unsigned have = (actual_ports >> port & 1) != 0 ? actual_flows[port] : 0;
      if (want == have) continue;
      const auto flow = static_cast<unsigned>(__builtin_ctz(want ^ have));
      wait_for({kind, port, flow}, cycle, (want >> flow & 1) != 0);
      return false;
    }
    return true;
  };
  if (!credits(Stream::Kind::credit, expected.credit, actual.credit, expected.in_credit, actual.in_credit))
    return;
  credits(Stream::Kind::scalar_credit, expected.scalar_credit, actual.scalar_credit, expected.sin_credit,
          actual.sin_credit);
}

Divergence Comparator::at(Divergence::Kind kind, const Stream& stream, uint64_t cycle) const {
  Divergence divergence;
  divergence.kind = kind;
  divergence.unit = unit_;
  divergence.stream = stream;
  divergence.index = seen(stream);
  if (stream.kind == Stream::Kind::packet) divergence.index /= shapes_[stream.port].packets;
  divergence.cycle = cycle;
  return divergence;
}

bool Comparator::compare_packet(uint64_t cycle, unsigned port, const PinOutputs& expected,
                                const PinOutputs& actual) {
  const uint64_t want = expected.head[port] & kHeadMask;
  const uint64_t have = actual.head[port] & kHeadMask;
  const uint8_t* data = expected.data[port];
  const bool same_data = !data || std::memcmp(data, actual.data[port], fabric::kPacketBytes) == 0;
  if (want == have && same_data) return true;
  Divergence divergence = at(same_data ? Divergence::Kind::head : Divergence::Kind::value,
                             {Stream::Kind::packet, port, 0}, cycle);
  if (same_data) {
    const auto part = [&](const char* name, uint64_t a, uint64_t b) {
      if (a == b) return;
      divergence.place += (divergence.place.empty() ? "" : ", ") + std::string(name);
      divergence.expected += fmt::format("{}0x{:x}", divergence.expected.empty() ? "" : ", ", a);
      divergence.actual += fmt::format("{}0x{:x}", divergence.actual.empty() ? "" : ", ", b);
    };
    part("flow id", PacketHead::flow(want), PacketHead::flow(have));
    part("sequence id", PacketHead::sequence(want), PacketHead::sequence(have));
    part("destination", PacketHead::destination(want), PacketHead::destination(have));
  } else {
    compare_data(divergence, data, actual.data[port]);
    if (want != have) divergence.more += fmt::format("; head 0x{:x} expected, got 0x{:x}", want, have);
  }
  first_ = divergence;
  return false;
}

void Comparator::compare_data(Divergence& divergence, const uint8_t* expected, const uint8_t* actual) {
  const VectorShape& shape = shapes_[divergence.stream.port];
  const unsigned elements = fabric::kPacketBytes / shape.element;
  unsigned first = elements;
  unsigned differ = 0;
  for (unsigned i = 0; i < elements; ++i) {
    if (std::memcmp(expected + i * shape.element, actual + i * shape.element, shape.element) == 0) continue;
    first = std::min(first, i);
    ++differ;
  }
  const uint64_t packet = packets_[divergence.stream.port] % shape.packets;
  divergence.place = fmt::format("{} {}", shape.lane, packet * elements + first);
  divergence.expected = value_text(expected + first * shape.element, shape);
  divergence.actual = value_text(actual + first * shape.element, shape);
  divergence.more =
      fmt::format("{} of the packet's {} {}s differ{}", differ, elements, shape.lane, differ == 1 ? "s" : "");
}

bool Comparator::compare_word(uint64_t cycle, unsigned port, const PinOutputs& expected,
                              const PinOutputs& actual) {
  const bool same_flow = pins_.scalar_flows == 1 || expected.scalar_flow[port] == actual.scalar_flow[port];
  if (expected.scalar[port] == actual.scalar[port] && same_flow) return true;
  const bool is_value = expected.scalar[port] != actual.scalar[port];
  Divergence divergence =
      at(is_value ? Divergence::Kind::value : Divergence::Kind::head, {Stream::Kind::scalar, port, 0}, cycle);
  if (is_value) {
    divergence.expected = fmt::format("0x{:08x}", expected.scalar[port]);
    divergence.actual = fmt::format("0x{:08x}", actual.scalar[port]);
  } else {
    divergence.place = "flow id";
    divergence.expected = std::to_string(expected.scalar_flow[port]);
    divergence.actual = std::to_string(actual.scalar_flow[port]);
  }
  first_ = divergence;
  return false;
}

/// False if a port shows something on one side alone.
bool Comparator::only_one(Stream::Kind kind, uint64_t cycle, uint32_t expected, uint32_t actual) {
  if (expected == actual) return true;
  const auto port = static_cast<unsigned>(__builtin_ctz(expected ^ actual));
  wait_for({kind, port, 0}, cycle, (expected >> port & 1) != 0);
  return false;
}

void Comparator::wait_for(const Stream& stream, uint64_t cycle, bool is_late) {
  pending_ = Pending{at(is_late ? Divergence::Kind::missing : Divergence::Kind::unexpected, stream, cycle),
                     is_late, stream.flow};
  pending_->divergence.expected = is_late ? "one in this cycle" : "none";
  pending_->divergence.actual = is_late ? "none" : "one";
}

/// Waits for the other half of what showed on one side.
void Comparator::follow(uint64_t cycle, const PinOutputs& expected, const PinOutputs& actual) {
  const PinOutputs& pins = pending_->is_late ? actual : expected;
  const Stream& stream = pending_->divergence.stream;
  bool came = false;
  switch (stream.kind) {
    case Stream::Kind::packet:
      came = (pins.valid >> stream.port & 1) != 0;
      break;
    case Stream::Kind::scalar:
      came = (pins.scalar_valid >> stream.port & 1) != 0;
      break;
    case Stream::Kind::token:
      came = (pins.tokens >> stream.port & 1) != 0;
      break;
    case Stream::Kind::credit:
      came = (pins.credit >> stream.port & 1) != 0 && (pins.in_credit[stream.port] >> stream.flow & 1) != 0;
      break;
    case Stream::Kind::scalar_credit:
      came = (pins.scalar_credit >> stream.port & 1) != 0 &&
             (pins.sin_credit[stream.port] >> stream.flow & 1) != 0;
      break;
    default:
      break;
  }
  Divergence& divergence = pending_->divergence;
  const uint64_t waited = cycle - divergence.cycle;
  if (came) {
    divergence.kind = pending_->is_late ? Divergence::Kind::late : Divergence::Kind::early;
    const std::string cycles = fmt::format("{} cycle{}", waited, waited == 1 ? "" : "s");
    divergence.expected = pending_->is_late ? "it in this cycle" : cycles + " later";
    divergence.actual = pending_->is_late ? "it " + cycles + " later" : "it in this cycle";
    resolve();
  } else if (waited >= kPatience) {
    divergence.more = fmt::format("{} cycles on", waited);
    resolve();
  }
}

void Comparator::resolve() {
  first_ = pending_->divergence;
  pending_.reset();
}

void Comparator::finish(uint64_t cycle, bool expected_done, bool actual_done) {
  if (first_) return;
  if (pending_) {
    pending_->divergence.more = "up to the end";
    resolve();
    return;
  }
  if (expected_done == actual_done) return;
  Divergence divergence = at(Divergence::Kind::end, {Stream::Kind::end, 0, 0}, cycle);
  divergence.expected = expected_done ? "all done" : "more to do";
  divergence.actual = actual_done ? "all done" : "more to do";
  first_ = divergence;
}

void Comparator::compare_content(uint64_t cycle, const uint8_t* expected, const uint8_t* actual,
                                 uint64_t bytes) {
  if (first_ || std::memcmp(expected, actual, bytes) == 0) return;
  Divergence divergence = at(Divergence::Kind::content, {Stream::Kind::scratchpad, 0, 0}, cycle);
  uint64_t differ = 0;
  for (uint64_t at = bytes; at != 0;) {
    at -= 4;
    if (std::memcmp(expected + at, actual + at, 4) == 0) continue;
    ++differ;
    uint32_t want, have;
    std::memcpy(&want, expected + at, 4);
    std::memcpy(&have, actual + at, 4);
    divergence.place = fmt::format("word at 0x{:05x}", at);
    divergence.expected = fmt::format("0x{:08x}", want);
    divergence.actual = fmt::format("0x{:08x}", have);
  }
  divergence.more =
      fmt::format("{} word{} differ{} at the end", differ, differ == 1 ? "" : "s", differ == 1 ? "s" : "");
  first_ = divergence;
}

uint64_t Comparator::seen(const Stream& stream) const {
  switch (stream.kind) {
    case Stream::Kind::packet:
      return packets_[stream.port];
    case Stream::Kind::scalar:
      return scalars_[stream.port];
    case Stream::Kind::token:
      return tokens_[stream.port];
    case Stream::Kind::credit:
      return credits_[stream.port * pins_.flows + stream.flow];
    case Stream::Kind::scalar_credit:
      return scalar_credits_[stream.port * pins_.scalar_flows + stream.flow];
    default:
      return 0;
  }
}

void Comparator::count(const PinOutputs& expected) {
  for_each_bit(expected.valid, [&](unsigned port) { ++packets_[port]; });
  for_each_bit(expected.scalar_valid, [&](unsigned port) { ++scalars_[port]; });
  for_each_bit(expected.tokens, [&](unsigned port) { ++tokens_[port]; });
  for_each_bit(expected.credit, [&](unsigned port) {
    for_each_bit(expected.in_credit[port], [&](unsigned flow) { ++credits_[port * pins_.flows + flow]; });
  });
  for_each_bit(expected.scalar_credit, [&](unsigned port) {
    for_each_bit(expected.sin_credit[port],
                 [&](unsigned flow) { ++scalar_credits_[port * pins_.scalar_flows + flow]; });
  });
}

}  // namespace rdu::cosim
