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
  /// Routes the output of `source` to all sinks. False if no free channels are left; nothing is changed then.
  /// Each unit has one output, so it is called once for a source.
  bool route(uint32_t source, const std::vector<Sink>& sinks);
  /// The token of an AGCU to the master's input.
  bool route_token(uint32_t agcu, unsigned input);
  /// Switches passed between a routed source and a sink.
  unsigned switches(uint32_t source, const Sink& sink) const {
    return lengths_.at({source, sink.unit, sink.input});
  }

  std::vector<uint8_t> stream() const;
  /// Header fields are as given; size and checksum too.
  static std::vector<uint8_t> seal(rdu_program_header header, const std::vector<uint8_t>& body);
  rdu_program_header header() const;
  std::vector<uint8_t> body() const;

 private:
  struct Position {
    unsigned row;
    unsigned col;
  };
  Position position(uint32_t unit) const;
  bool find_tree(uint32_t source, unsigned first_in, const std::vector<std::pair<Position, unsigned>>& ends,
                 bool control, std::vector<unsigned>* depths);

  FabricParams params_;
  uint64_t channels_;
  std::map<uint32_t, ConfigWords> units_;
  std::map<std::pair<uint32_t, unsigned>, bool> taken_;  ///< (switch, output), control outputs from 64 on
  std::map<std::tuple<uint32_t, uint32_t, unsigned>, unsigned> lengths_;
};

}  // namespace rdu::fabric::test
