#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cosim/stimulus.h"
#include "fabric/stream/pins.h"

namespace rdu::cosim {

/// What a difference is seen on.
struct Stream {
  enum class Kind : uint8_t {
    packet,  ///< output `port`
    scalar,  ///< scalar output `port`
    token,   ///< token output `port`
    credit,  ///< credits given for what came by input `port`, flow `flow`
    scalar_credit,
    scratchpad,
    end,  ///< whether the unit has done all that it was configured to do
  };
  Kind kind = Kind::packet;
  unsigned port = 0;
  unsigned flow = 0;

  std::string name() const;  ///< "scalar output 0"
  friend bool operator==(const Stream& a, const Stream& b) {
    return a.kind == b.kind && a.port == b.port && a.flow == b.flow;
  }
};

/// The first thing in which a unit differs from the one that leads.
struct Divergence {
  enum class Kind : uint8_t {
    value,       ///< other data in the same cycle
    head,        ///< other flow, sequence id or destination
    late,        ///< later than expected
    early,       ///< before it was expected
    missing,     ///< expected, but did not come
    unexpected,  ///< came, but was never expected
    content,     ///< scratchpads differ at the end
    end,         ///< one has done all, the other has not
  };
  Kind kind = Kind::value;
  std::string unit;  ///< "pcu[1][2]"
  Stream stream;
  std::string peer;    ///< what the stream is connected to, where that is known
  uint64_t index = 0;  ///< number of the vector, word, token or credit on its stream, from 0
  uint64_t cycle = 0;  ///< in which it shows
  std::string place;   ///< what of it: "lane 5", "sequence id", "word 0x1f0"
  std::string expected;
  std::string actual;
  std::string more;  ///< e.g. "3 of 32 lanes differ"

  /// "pcu[1][2]: output 0 (to input 1 of pmu[1][3]), vector 17, lane 5, cycle 243: expected 0x40490fdb
  /// (3.14159), got 0x40490fda (3.14159)"
  std::string text() const;
};
const char* to_string(Divergence::Kind kind);

/// How the packets of an output make vectors of lanes.
struct VectorShape {
  unsigned element = 4;  ///< bytes
  unsigned packets = 1;  ///< of a vector
  bool is_float = false;
  const char* lane = "word";  ///< what an element is called: "lane" where the configuration says
};
/// By output. Words that the unit cannot execute have no shape.
std::vector<VectorShape> shapes_of(unsigned kind, const fabric::FabricParams& params,
                                   const fabric::ConfigWords& words);

/// Output pins that have a place for their data.
class PinStore {
 public:
  PinStore() {
    for (size_t i = 0; i < data_.size(); ++i) pins.data[i] = data_[i].data();
  }
  PinStore(const PinStore&) = delete;
  PinStore& operator=(const PinStore&) = delete;
  fabric::PinOutputs pins;

 private:
  std::array<Stimulus::Data, fabric::kMostPacketOut> data_;
};

/// Compares the output pins of a unit with those of the one that leads, cycle by cycle.
///
/// The first difference counts. If it is one of time, the pins are followed until what is missing (or was
/// not expected) has come, so that it can be told how late or early it is, or that it never comes.
class Comparator {
 public:
  /// Cycles after which what has not come is taken to be missing.
  static constexpr uint64_t kPatience = 1000;

  Comparator(const std::string& unit, const fabric::PinCounts& pins, std::vector<VectorShape> shapes);

  /// The pins of a cycle.
  void compare(uint64_t cycle, const fabric::PinOutputs& expected, const fabric::PinOutputs& actual);
  /// Nothing more comes. `all_done`: both have done all they were configured to do.
  void finish(uint64_t cycle, bool expected_done, bool actual_done);
  /// Scratchpads at the end.
  void compare_content(uint64_t cycle, const uint8_t* expected, const uint8_t* actual, uint64_t bytes);

  /// Something differs; what exactly may not be known yet.
  bool differs() const { return pending_ || first_; }
  const std::optional<Divergence>& first() const { return first_; }

 private:
  struct Pending {
    Divergence divergence;
    bool is_late;  ///< the lead had it
    unsigned flow;
  };
  void compare_streams(uint64_t cycle, const fabric::PinOutputs& expected, const fabric::PinOutputs& actual);
  bool compare_packet(uint64_t cycle, unsigned port, const fabric::PinOutputs& expected,
                      const fabric::PinOutputs& actual);
  void compare_data(Divergence& divergence, const uint8_t* expected, const uint8_t* actual);
  bool compare_word(uint64_t cycle, unsigned port, const fabric::PinOutputs& expected,
                    const fabric::PinOutputs& actual);
  bool only_one(Stream::Kind kind, uint64_t cycle, uint32_t expected, uint32_t actual);
  void follow(uint64_t cycle, const fabric::PinOutputs& expected, const fabric::PinOutputs& actual);
  void count(const fabric::PinOutputs& expected);
  Divergence at(Divergence::Kind kind, const Stream& stream, uint64_t cycle) const;
  void wait_for(const Stream& stream, uint64_t cycle, bool is_late);
  void resolve();
  uint64_t seen(const Stream& stream) const;

  std::string unit_;
  fabric::PinCounts pins_;
  std::vector<VectorShape> shapes_;
  // What the lead has shown so far, by port (credits: port * flows + flow).
  std::vector<uint64_t> packets_, scalars_, tokens_, credits_, scalar_credits_;
  std::optional<Pending> pending_;
  std::optional<Divergence> first_;
};

}  // namespace rdu::cosim
