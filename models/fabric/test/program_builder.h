#pragma once

#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "fabric/config.h"
#include "fabric/params.h"
#include "fabric/program.h"

namespace rdu::fabric::test {

/// Writes programs for tests: configuration words by unit, and routes found by breadth-first search.
class ProgramBuilder {
 public:
  explicit ProgramBuilder(const FabricParams& params) : params_(params), channels_(params.vector_channels) {}

  ConfigWords& unit(uint32_t id);
  ConfigWords& pcu(unsigned row, unsigned col) { return unit(RDU_UNIT(RDU_UNIT_PCU, row, col)); }
  ConfigWords& pmu(unsigned row, unsigned col) { return unit(RDU_UNIT(RDU_UNIT_PMU, row, col)); }
  ConfigWords& agcu(unsigned row, unsigned col) { return unit(RDU_UNIT(RDU_UNIT_AGCU, row, col)); }

  /// A consumer: a unit and its input.
  struct Sink {
    uint32_t unit;
    unsigned input;
  };
  /// Routes an output of `source` to all sinks, as flow 0 on channels that nobody else uses. False if none
  /// are left; nothing is changed then. To be called once for an output.
  bool route(uint32_t source, const std::vector<Sink>& sinks, unsigned output = 0);
  /// The same for the scalar output of `source`; sinks are scalar inputs.
  bool route_scalar(uint32_t source, const std::vector<Sink>& sinks);
  /// The same for a token output (of an AGCU: 0 load, 1 store); sinks are token inputs.
  bool route_token(uint32_t source, unsigned output, const std::vector<Sink>& sinks);
  /// The token of an AGCU's store to the master's input.
  bool route_token(uint32_t agcu, unsigned input) {
    return route_token(agcu, 1, {{RDU_UNIT(RDU_UNIT_AGCU, 0, 0), input}});
  }
  /// Switches passed between a routed source and a sink.
  unsigned switches(uint32_t source, const Sink& sink) const {
    return lengths_.at({source, sink.unit, sink.input});
  }

  /// A unit's part of a stream: its entry in the table, and the words of its chunks.
  struct UnitFile {
    rdu_program_unit entry;
    std::vector<uint32_t> words;
  };

  std::vector<uint8_t> stream() const;
  /// Header fields are as given; size and checksum too.
  static std::vector<uint8_t> seal(rdu_program_header header, const std::vector<uint8_t>& body);
  rdu_program_header header() const;
  std::vector<UnitFile> files() const;
  /// What lies behind the header: as the files say, right or wrong.
  static std::vector<uint8_t> body(const std::vector<UnitFile>& files);

 private:
  struct Position {
    unsigned row;
    unsigned col;
  };
  Position position(uint32_t unit) const;
  struct Network;
  bool find_tree(const Network& network, uint32_t source, unsigned output, const std::vector<Sink>& sinks,
                 std::vector<unsigned>* depths);

  FabricParams params_;
  uint64_t channels_;
  std::map<uint32_t, ConfigWords> units_;
  std::map<std::pair<uint32_t, unsigned>, bool> taken_;  ///< (switch, output), those of the networks 64 apart
  std::map<std::tuple<uint32_t, uint32_t, unsigned>, unsigned> lengths_;
};

}  // namespace rdu::fabric::test
