#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "fabric/agcu/fetch.h"
#include "fabric/agcu/program_image.h"

namespace rdu::fabric {

/// The way of a configuration stream into the units: a chain that carries 64 bytes a cycle past all of them,
/// on which each takes its own sub-files and shifts them in, a word a cycle. agcu/README.md has the formula.
class ConfigurationChain : public FetchConsumer {
 public:
  void start(uint64_t cycle);
  /// The cycle in which the status that everything is loaded has come back, if `units` are on the chain.
  uint64_t end(uint64_t units) const { return next_ - 1 + RDU_CHUNK_WORDS + units; }

  uint64_t take(const uint8_t* data, uint32_t bytes, uint64_t ready) override;

 private:
  std::vector<uint8_t> head_;       ///< header and table, as far as they are there
  std::optional<SubFiles> files_;   ///< once the table is known
  uint64_t file_ = 0;               ///< the next one
  std::vector<uint64_t> shifting_;  ///< by entry of the table: until which cycle it shifts
  uint64_t next_ = 0;               ///< earliest cycle of the next 64 bytes
};

/// The way of arguments into the units: pairs of a control word and a value, a configuration word a cycle.
class ArgumentChain : public FetchConsumer {
 public:
  void start(uint64_t cycle) { next_ = cycle; }
  uint64_t end(uint64_t units) const { return next_ + units; }

  uint64_t take(const uint8_t* data, uint32_t bytes, uint64_t ready) override;

 private:
  uint64_t next_ = 0;  ///< cycle in which the last word has left
};

}  // namespace rdu::fabric
