#include "report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

namespace rdu::digits {

namespace {

using Json = nlohmann::ordered_json;

uint32_t bits(float value) {
  uint32_t result;
  std::memcpy(&result, &value, sizeof result);
  return result;
}

// The evaluations that there are, by name.
std::vector<std::pair<const char*, const std::vector<float>*>> evaluations(const Findings& f) {
  std::vector<std::pair<const char*, const std::vector<float>*>> all;
  if (f.fused) all.emplace_back("fused", &f.fused->probabilities);
  if (f.unfused) all.emplace_back("unfused", &f.unfused->probabilities);
  if (!f.expected.empty()) all.emplace_back("numpy", &f.expected);
  return all;
}

const char* kind_name(uint32_t kind) {
  switch (kind) {
    case RDU_KIND_PCU:
      return "pcu";
    case RDU_KIND_PMU:
      return "pmu";
    case RDU_KIND_SWITCH:
      return "switch";
    case RDU_KIND_AGCU:
      return "agcu";
    default:
      return "unknown";
  }
}

Json json_of(const rdu_memory_counters& c) {
  return {{"hbm_read", c.hbm_read},       {"hbm_written", c.hbm_written}, {"ddr_read", c.ddr_read},
          {"ddr_written", c.ddr_written}, {"host_read", c.host_read},     {"host_written", c.host_written}};
}

Json json_of(const RunResult& r) {
  Json kernels = Json::array();
  for (const KernelTime& k : r.kernels)
    kernels.push_back({{"name", k.name},
                       {"load_ns", k.load_ns},
                       {"execute_ns", k.execute_ns},
                       {"load_cycles", k.load_cycles},
                       {"execute_cycles", k.execute_cycles}});
  Json units = Json::array();
  for (const rdu_activity& a : r.activity)
    units.push_back({{"kind", kind_name(a.kind)},
                     {"row", a.row},
                     {"column", a.column},
                     {"busy", a.busy},
                     {"stall_in", a.stall_in},
                     {"stall_out", a.stall_out},
                     {"vectors", a.vectors},
                     {"bytes", a.bytes}});
  return {{"total_ns", r.total_ns},
          {"program_load_ns", r.load_ns()},
          {"execute_ns", r.execute_ns()},
          {"overhead_ns", r.overhead_ns()},
          {"kernels", kernels},
          {"bytes", json_of(r.bytes)},
          {"activity_of_last_kernel", units}};
}

// A row of the table: what, of the fused run, of the unfused run.
class Columns {
 public:
  Columns(const Findings& f, std::string* text) : f_(f), text_(text) {}

  // Bytes also have a column for the whole session, uploads and readbacks included.
  void bytes(const std::string& what, uint64_t rdu_memory_counters::*counter) {
    row(
        what, [&](const RunResult& r) { return bytes_text(r.bytes.*counter); },
        fmt::format("{:>13}", bytes_text(f_.bytes.*counter)));
  }

  template <typename Text>
  void row(const std::string& what, Text text, const std::string& last = "") {
    std::string line = fmt::format("{:<22}", what);
    if (f_.fused) line += fmt::format("{:>16}", text(*f_.fused));
    if (f_.unfused) line += fmt::format("{:>16}", text(*f_.unfused));
    *text_ += line + (last.empty() ? "" : "   " + last) + "\n";
  }

 private:
  const Findings& f_;
  std::string* text_;
};

std::string agreement(const Findings& f) {
  std::string names;
  for (const auto& evaluation : evaluations(f))
    names += (names.empty() ? "" : " = ") + std::string(evaluation.first);
  return names;
}

}  // namespace

std::string with_commas(uint64_t number) {
  std::string text = fmt::format("{}", number);
  for (size_t i = text.size(); i > 3;) text.insert(i -= 3, ",");
  return text;
}

std::string time_text(uint64_t ns) {
  const auto t = static_cast<double>(ns);
  if (ns < 1000) return fmt::format("{} ns", ns);
  if (ns < 1000000) return fmt::format("{:.3f} us", t / 1e3);
  if (ns < 1000000000) return fmt::format("{:.3f} ms", t / 1e6);
  return fmt::format("{:.3f} s", t / 1e9);
}

std::string bytes_text(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < sizeof kUnits / sizeof *kUnits) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

const std::vector<float>& Findings::probabilities() const {
  return fused ? fused->probabilities : unfused->probabilities;
}

size_t Findings::correct() const {
  const std::vector<float>& p = probabilities();
  size_t correct = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto first = p.begin() + static_cast<std::ptrdiff_t>(i * kClasses);
    const auto best = std::max_element(first, first + kClasses) - first;
    correct += static_cast<size_t>(best) == labels[i] ? 1 : 0;
  }
  return correct;
}

bool Findings::compared() const {
  return evaluations(*this).size() > 1;
}

std::string Findings::first_difference() const {
  const auto all = evaluations(*this);
  for (size_t i = 0; i < images * kClasses; ++i) {
    for (size_t e = 1; e < all.size(); ++e) {
      const float a = (*all[0].second)[i], b = (*all[e].second)[i];
      if (bits(a) != bits(b))
        return fmt::format("image {}, class {}: {} {} ({:#010x}), {} {} ({:#010x})", i / kClasses,
                           i % kClasses, all[0].first, a, bits(a), all[e].first, b, bits(b));
    }
  }
  return "";
}

std::string table(const Findings& f, const HeatMapStyle& style) {
  std::string text;
  if (!f.labels.empty())
    text += fmt::format("{:<22}{:.2f} % ({} of {} images)\n", "accuracy",
                        100.0 * static_cast<double>(f.correct()) / static_cast<double>(f.labels.size()),
                        f.correct(), f.labels.size());
  else
    text += fmt::format("{:<22}unknown, no labels were given ({} images)\n", "accuracy", f.images);
  if (!f.compared())
    text += fmt::format("{:<22}unknown, nothing to compare with\n", "bit for bit");
  else
    text += fmt::format("{:<22}{}: {} ({} values)\n", "bit for bit",
                        f.first_difference().empty() ? "equal" : "DIFFERENT", agreement(f),
                        with_commas(f.images * kClasses));
  text += "\n";

  Columns columns(f, &text);
  text += fmt::format("{:<22}", "");
  if (f.fused) text += fmt::format("{:>16}", "fused");
  if (f.unfused) text += fmt::format("{:>16}", "unfused");
  text += "\n";
  std::string ratio;
  if (f.fused && f.unfused)
    ratio = fmt::format("fusion is {:.2f} times as fast",
                        static_cast<double>(f.unfused->total_ns) / static_cast<double>(f.fused->total_ns));
  columns.row(
      "simulated time", [](const RunResult& r) { return time_text(r.total_ns); }, ratio);
  columns.row("  program load", [](const RunResult& r) { return time_text(r.load_ns()); });
  columns.row("  execution", [](const RunResult& r) { return time_text(r.execute_ns()); });
  columns.row("  launch overhead", [](const RunResult& r) { return time_text(r.overhead_ns()); });
  columns.row("  kernels", [](const RunResult& r) { return fmt::format("{}", r.kernels.size()); });
  text += fmt::format("\n{:<22}{}{}   {:>13}\n", "bytes moved", f.fused ? fmt::format("{:>16}", "fused") : "",
                      f.unfused ? fmt::format("{:>16}", "unfused") : "", "whole session");
  columns.bytes("  HBM read", &rdu_memory_counters::hbm_read);
  columns.bytes("  HBM written", &rdu_memory_counters::hbm_written);
  columns.bytes("  DDR read", &rdu_memory_counters::ddr_read);
  columns.bytes("  DDR written", &rdu_memory_counters::ddr_written);
  columns.bytes("  host read", &rdu_memory_counters::host_read);
  columns.bytes("  host written", &rdu_memory_counters::host_written);

  const RunResult& shown = f.fused ? *f.fused : *f.unfused;
  const KernelTime& kernel = shown.kernels.back();
  text += fmt::format("\nbusy cycles of each unit in percent, {} ({} cycles)\n", kernel.name,
                      with_commas(kernel.execute_cycles));
  text += heat_map(shown.activity, kernel.execute_cycles, style);

  const double speed = static_cast<double>(f.session_ns) / 1e3 / f.host_seconds;
  text += fmt::format("\n{:<22}{:.2f} s for {} of simulated time: {} us simulated in a second\n", "host time",
                      f.host_seconds, time_text(f.session_ns),
                      speed < 100 ? fmt::format("{:.1f}", speed) : with_commas(static_cast<uint64_t>(speed)));
  return text;
}

void write_json(const Findings& f, const std::string& path) {
  Json j;
  j["images"] = f.images;
  j["accuracy"] = nullptr;
  if (!f.labels.empty())
    j["accuracy"] = static_cast<double>(f.correct()) / static_cast<double>(f.labels.size());
  j["bit_exact"] = nullptr;
  if (f.compared()) j["bit_exact"] = f.first_difference().empty();
  j["compared"] = agreement(f);
  j["fused_ns"] = nullptr;
  if (f.fused) j["fused_ns"] = f.fused->total_ns;
  j["unfused_ns"] = nullptr;
  if (f.unfused) j["unfused_ns"] = f.unfused->total_ns;
  j["ratio"] = nullptr;
  if (f.fused && f.unfused)
    j["ratio"] = static_cast<double>(f.unfused->total_ns) / static_cast<double>(f.fused->total_ns);
  j["host_seconds"] = f.host_seconds;
  j["session_ns"] = f.session_ns;
  j["repeats"] = f.repeats;
  j["bytes"] = json_of(f.bytes);
  Json& breakdown = j["breakdown"];
  breakdown = Json::object();
  if (f.fused) breakdown["fused"] = json_of(*f.fused);
  if (f.unfused) breakdown["unfused"] = json_of(*f.unfused);
  j["device"] = {{"model", f.device.model},
                 {"firmware", f.device.firmware},
                 {"tiles", f.device.tiles},
                 {"rows", f.device.rows},
                 {"columns", f.device.columns},
                 {"hbm_bytes", f.device.hbm_bytes},
                 {"ddr_bytes", f.device.ddr_bytes},
                 {"hbm_bandwidth", f.device.hbm_bandwidth},
                 {"ddr_bandwidth", f.device.ddr_bandwidth}};
  std::ofstream file(path);
  file << j.dump(2) << "\n";
  file.flush();
  if (!file) {
    const std::string reason = std::strerror(errno);
    file.close();
    std::remove(path.c_str());
    throw std::runtime_error(fmt::format("{}: cannot be written: {}", path, reason));
  }
}

}  // namespace rdu::digits
