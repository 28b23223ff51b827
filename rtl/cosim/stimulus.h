#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "fabric/config.h"
#include "fabric/fidelity.h"
#include "fabric/params.h"
#include "fabric/program.h"
#include "fabric/stream/pins.h"

namespace rdu::cosim {

/// All that a unit needs to run alone: its configuration, what it gets at its pins, and the credits that come
/// back for what it sends. README.md ("Stimulus") has the file's format.
///
/// Every time is a "not before", in cycles of the execution (0: the first after `start`):
///   - A packet or word enters (its valid pin is high) in the first cycle, from its own on, in which the
///     input has a place for its flow and all before it of its port and flow have entered. A port takes one
///     a cycle: of several that could, the first in the list.
///   - A token enters in the first cycle, from its own on, in which none before it does.
///   - The n-th credit of an output and flow goes back not before its time, not before the cycle after the
///     n-th packet has left, and one a cycle. Beyond the list they go back at once.
/// So every stimulus keeps the rules of the pins, whatever is taken out of it or made earlier; and one that
/// was recorded has the times that it was recorded with.
struct Stimulus {
  using Data = std::array<uint8_t, fabric::kPacketBytes>;

  struct Packet {
    uint64_t cycle = 0;
    uint64_t head = 0;  ///< 40 bits, flow id included (fabric::PacketHead)
    Data data{};

    unsigned flow() const { return fabric::PacketHead::flow(head); }
    friend bool operator==(const Packet& a, const Packet& b) {
      return a.cycle == b.cycle && a.head == b.head && a.data == b.data;
    }
  };
  struct Word {
    uint64_t cycle = 0;
    unsigned flow = 0;
    uint32_t value = 0;

    friend bool operator==(const Word& a, const Word& b) {
      return a.cycle == b.cycle && a.flow == b.flow && a.value == b.value;
    }
  };
  /// Of one output and flow. An output that leads nowhere has no credits; the configuration does not use it.
  struct Credits {
    uint16_t at_start = 0;
    std::vector<uint64_t> back;

    friend bool operator==(const Credits& a, const Credits& b) {
      return a.at_start == b.at_start && a.back == b.back;
    }
  };

  /// Of a unit (RDU_UNIT) with its configuration at reset, no traffic and no credits. Throws bad_input for a
  /// unit that has no pins: PCUs, PMUs and switches have.
  explicit Stimulus(uint32_t unit, const fabric::FabricParams& params = {});

  const fabric::PinCounts& pins() const { return pins_; }
  unsigned kind() const { return RDU_UNIT_KIND(unit); }
  std::string name() const;  ///< "pcu[1][2]"
  /// Places of an input, for each flow.
  uint64_t packet_places() const;
  uint64_t scalar_places() const { return params.scalar_depth; }
  Credits& credits_of(unsigned output, unsigned flow = 0) { return credits[output * pins_.flows + flow]; }
  Credits& scalar_credits_of(unsigned output, unsigned flow = 0) {
    return scalar_credits[output * pins_.scalar_flows + flow];
  }
  /// Packets, words and tokens that go in.
  size_t size() const;

  /// Throws bad_input if the unit cannot execute the configuration, or something is out of range.
  void check() const;

  /// Throw bad_input, with the file and the place in it. write() writes to FILE.partial and renames.
  static Stimulus read(const std::string& file);
  void write(const std::string& file) const;
  /// The same without a file; `name` is what messages call it.
  static Stimulus parse(const std::string& text, const std::string& name);
  std::string to_text() const;

  friend bool operator==(const Stimulus& a, const Stimulus& b);

  uint32_t unit;
  fabric::FabricParams params;  ///< those of numbers_of() count
  fabric::ConfigWords words;
  std::map<uint32_t, uint32_t>
      scratchpad;  ///< of a PMU, before the start: words that are not 0, by byte address
  std::vector<std::vector<Packet>> packets;   ///< by input
  std::vector<std::vector<Word>> scalars;     ///< by scalar input
  std::vector<std::vector<uint64_t>> tokens;  ///< cycles, by token input
  std::vector<Credits> credits;               ///< by output * flows + flow
  std::vector<Credits> scalar_credits;
  uint64_t cycles = 0;  ///< how many it lasts
  std::string origin;   ///< where it comes from, in words

 private:
  fabric::PinCounts pins_;
};

using fabric::Number;
using fabric::numbers_of;

/// A configuration word: its register's name, and its value at reset.
struct WordInfo {
  struct NamedField {
    std::string name;  ///< "" if the word has no fields
    core::Field place;
  };
  std::string name;  ///< "PROGRAM[0].MODE"; "" for a word without a meaning
  uint32_t reset;
  std::vector<NamedField> fields;
};
/// By word index.
const std::vector<WordInfo>& words_of(unsigned kind);

fabric::PinCounts pins_of(unsigned kind);
fabric::ConfigWords reset_words_of(unsigned kind);

}  // namespace rdu::cosim
