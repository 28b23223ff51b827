#pragma once

#include <cstdint>

#include "compiler/container.h"
#include "compiler/graph.h"

namespace rdu::compiler {

/// The tile that a program is made for. Defaults: platform/config/mini.yaml.
struct Target {
  Shape shape{6, 6, 2};
  unsigned lanes = 32;
  unsigned stages = 6;  ///< SIMD stages of a PCU, and rows of a matrix tile
  uint64_t pmu_bytes = 512 * 1024;
};

struct CompileOptions {
  uint64_t seed = 1;
  /// Placements to try before giving up: each has its own seed, the first that routes is taken.
  unsigned attempts = 24;
  /// If none of them routes with a channel for every stream, all are tried again with streams that share
  /// channels (which costs time, never results).
  bool share_channels = true;
  std::string build;  ///< text for ProgramInfo.build
};

/// Checks the graph, gives every unit a place and every stream a route. Deterministic: equal arguments give
/// equal bytes. Throws Error for a graph that is illegal or does not fit the tile, saying what ran out.
Program compile(const Graph& graph, const Target& target = {}, const CompileOptions& options = {});

}  // namespace rdu::compiler
