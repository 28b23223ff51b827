#pragma once

#include <cstdint>
#include <vector>

#include "compiler/graph.h"

/// For tests only: small programs, each with data and the result that follows from its definition.
namespace rdu::compiler::test {

/// Sums rows of a table by bins: out[bin[i]] += table[choice[i]], 16 INT32 a row. Arguments: table, choice,
/// bin, out, rows.
Graph sums_by_bin();
struct SumsByBin {
  static constexpr size_t kRows = 160, kTable = 40, kBins = 7;
  std::vector<int32_t> table, choice, bin, expected;
  SumsByBin() : table(kTable * 16), choice(kRows), bin(kRows), expected(kBins * 16, 0) {
    for (size_t i = 0; i < table.size(); ++i) table[i] = static_cast<int32_t>(i * 2654435761u);
    for (size_t i = 0; i < kRows; ++i) {
      choice[i] = static_cast<int32_t>(i < 32 ? i : i * i % kTable);
      bin[i] = static_cast<int32_t>(i * 3 % kBins);
      for (size_t k = 0; k < 16; ++k) {
        int32_t& sum = expected[static_cast<size_t>(bin[i]) * 16 + k];
        sum = static_cast<int32_t>(static_cast<uint32_t>(sum) +
                                   static_cast<uint32_t>(table[static_cast<size_t>(choice[i]) * 16 + k]));
      }
    }
  }
};

/// Blocks of 64 rows of 32 BF16 (or whatever else has 2 bytes). Arguments: x, blocks, and
/// two_ways: y (as they are) and t (each block transposed, its upper half first: 2 x 32 rows of 32), by the
/// two read pipelines of one PMU; in_turns: y (as they are), by two PMUs that keep every other row each and
/// send in turn.
Graph two_ways();
Graph in_turns();
struct TwoWays {
  static constexpr size_t kBlocks = 5, kRows = 64, kColumns = 32;
  std::vector<uint16_t> x, transposed;
  TwoWays();
};

}  // namespace rdu::compiler::test
