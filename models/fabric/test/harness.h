#pragma once

#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "fabric/stream/port.h"

/// Streams without a tile: what feeds a unit and what takes its output, so that each kind of unit is tested
/// alone.
namespace rdu::fabric::test {

using Packet = std::array<uint8_t, kPacketBytes>;

/// Sends given packets, each ready at a given cycle.
class Source : public Unit {
 public:
  explicit Source(Context& context) : Unit(context, 0), output(*this), writer_(context.blocks) {}

  OutputPort output;
  std::vector<Packet> packets;
  std::vector<uint64_t> ready;  ///< by packet; if shorter, one a cycle after the last
  std::vector<uint64_t> heads;  ///< by packet; if shorter, 0

  void start(uint64_t cycle) override {
    output.start(cycle, 0, context_.params.max_burst);
    uint64_t t = cycle;
    for (size_t i = 0; i < packets.size(); ++i) {
      t = i < ready.size() ? ready[i] : t + (i == 0 ? 0 : 1);
      writer_.room();
      std::memcpy(writer_.next(), packets[i].data(), kPacketBytes);
      if (i < heads.size()) writer_.block().set_head(writer_.offset(), heads[i]);
      output.put({{t, 0, 1}, writer_.block(), writer_.offset()});
      writer_.take(1);
    }
  }
  void run() override { output.flush(); }
  bool finished() const override { return output.waiting() == 0; }
  std::string waits_for() const override { return output.blocked_by(); }
  const UnitCounts& counts() const override { return counts_; }

 private:
  BlockWriter writer_;
  UnitCounts counts_;
};

/// Takes packets, one every `interval` cycles and not before `open`; keeps them, their heads and times.
class Sink : public Unit {
 public:
  explicit Sink(Context& context) : Unit(context, 0), input(*this) {}

  InputPort input;
  uint64_t interval = 1;
  uint64_t open = 0;
  std::vector<Packet> packets;
  std::vector<uint64_t> heads;  ///< of the packets
  std::vector<uint64_t> times;

  void start(uint64_t cycle) override { next_ = std::max(cycle, open); }
  void run() override {
    while (input.available() != 0) {
      Firing firing(next_, interval, context_.params.max_burst);
      firing.need(input.head(), Cause::input);
      const Run run = firing.solve().run;
      input.pop(run, 1, [&](const BlockRef& block, uint32_t offset, unsigned n) {
        for (unsigned i = 0; i < n; ++i) {
          packets.emplace_back();
          heads.push_back(block.head(offset + i));
          std::memcpy(packets.back().data(), block.packet(offset + i), kPacketBytes);
        }
      });
      for (uint64_t i = 0; i < run.n; ++i) times.push_back(run.at(i));
      next_ = run.last() + interval;
    }
  }
  bool finished() const override { return true; }
  std::string waits_for() const override { return "packets"; }
  const UnitCounts& counts() const override { return counts_; }

 private:
  uint64_t next_ = 0;
  UnitCounts counts_;
};

/// Both ends of two control wires: pulses at given times, and the arrivals of others.
class TokenEnds : public Unit {
 public:
  explicit TokenEnds(Context& context)
      : Unit(context, 0),
        sends{TokenOutput(*this), TokenOutput(*this)},
        takes{TokenInput(*this), TokenInput(*this)} {}
  TokenOutput sends[2];
  TokenInput takes[2];
  std::vector<uint64_t> times[2];  ///< at which sends[] pulse
  std::vector<uint64_t> seen[2];   ///< arrivals at takes[]

  void start(uint64_t) override {
    for (unsigned i = 0; i < 2; ++i) {
      sends[i].start(4096);
      for (const uint64_t t : times[i]) sends[i].send({t, 0, 1});
    }
  }
  void run() override {
    for (unsigned i = 0; i < 2; ++i) {
      while (takes[i].available() != 0) seen[i].push_back(takes[i].pop(1));
    }
  }
  bool finished() const override { return true; }
  std::string waits_for() const override { return {}; }
  const UnitCounts& counts() const override { return counts_; }

 private:
  UnitCounts counts_;
};

inline void run_all(Context& context, const std::vector<Unit*>& units, uint64_t start = 0) {
  for (Unit* unit : units) unit->start(start);
  for (Unit* unit : units) unit->wake();
  context.work.run(~uint64_t{0});
}

inline Packet packet_of(const std::vector<float>& values) {
  Packet packet{};
  std::memcpy(packet.data(), values.data(), std::min(values.size() * 4, kPacketBytes));
  return packet;
}

inline std::vector<float> floats_of(const std::vector<Packet>& packets) {
  std::vector<float> values(packets.size() * kPacketBytes / 4);
  for (size_t i = 0; i < packets.size(); ++i)
    std::memcpy(&values[i * kPacketBytes / 4], packets[i].data(), kPacketBytes);
  return values;
}

inline std::vector<uint16_t> halves_of(const std::vector<Packet>& packets) {
  std::vector<uint16_t> values(packets.size() * kPacketBytes / 2);
  for (size_t i = 0; i < packets.size(); ++i)
    std::memcpy(&values[i * kPacketBytes / 2], packets[i].data(), kPacketBytes);
  return values;
}

}  // namespace rdu::fabric::test
