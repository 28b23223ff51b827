// What the application found out: as a table for people and as JSON for programs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "heat_map.h"
#include "network.h"
#include "rdu.h"

namespace rdu::digits {

struct Findings {
  rdu_info device{};
  size_t images = 0;
  std::optional<RunResult> fused, unfused;
  std::vector<float> expected;  // empty: none given
  std::vector<uint8_t> labels;  // empty: none given
  rdu_memory_counters bytes{};  // of the whole session
  uint64_t session_ns = 0;      // device time from open to the last result
  double host_seconds = 0;      // of the same
  uint64_t repeats = 1;

  // The probabilities that count: of the fused run if there is one.
  const std::vector<float>& probabilities() const;
  // Images whose most probable class is their label.
  size_t correct() const;
  // "image 3, class 7: fused 0.25 (0x3e800000), numpy 0.5 (0x3f000000)" for the first value in which any two
  // of fused, unfused and expected differ in a bit; empty if all agree.
  std::string first_difference() const;
  // Whether there were two to compare.
  bool compared() const;
};

std::string table(const Findings& findings, const HeatMapStyle& style);
// Throws std::runtime_error if the file cannot be written; leaves none then.
void write_json(const Findings& findings, const std::string& path);

// 1234567 -> "1,234,567"
std::string with_commas(uint64_t number);
// Nanoseconds for people: "12.345 us".
std::string time_text(uint64_t ns);
// "2.1 KiB"
std::string bytes_text(uint64_t bytes);

}  // namespace rdu::digits
