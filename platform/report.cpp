#include "platform/report.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <ostream>

#include "core/error.h"
#include "core/trace.h"
#include "platform/configuration.h"
#include "platform/socket.h"

namespace rdu::platform {
namespace {

double peak_memory_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

nlohmann::ordered_json counters(const memory::MemoryController& memory) {
  const auto& c = memory.counters();
  return {{"bytes_read", c.bytes_read},
          {"bytes_written", c.bytes_written},
          {"reads", c.reads},
          {"writes", c.writes}};
}

nlohmann::ordered_json tile_statistics(const fabric::Tile& tile) {
  const fabric::TileStatistics s = tile.statistics();
  nlohmann::ordered_json units = nlohmann::ordered_json::array();
  for (const fabric::UnitStatistics& u : tile.unit_statistics()) {
    nlohmann::ordered_json unit = {{"unit", u.name}};
    if (!u.fidelity.empty()) unit["fidelity"] = u.fidelity;
    unit.update({{"executions", u.executions},
                 {"busy", u.busy},
                 {"stall_in", u.stall_in},
                 {"stall_out", u.stall_out},
                 {"vectors", u.vectors},
                 {"bytes", u.bytes}});
    units.push_back(std::move(unit));
  }
  return {{"program_loads", s.program_loads},
          {"argument_loads", s.argument_loads},
          {"executions", s.executions},
          {"faults", s.faults},
          {"program_load_cycles", s.program_load_cycles},
          {"argument_load_cycles", s.argument_load_cycles},
          {"execution_cycles", s.execution_cycles},
          {"bytes_loaded", s.bytes_loaded},
          {"bytes_stored", s.bytes_stored},
          {"units", units}};
}

}  // namespace

Report::Report(std::string configuration) : configuration_(std::move(configuration)) {}

void Report::elaborated() {
  elaboration_seconds_ = host_seconds();
}

double Report::host_seconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

nlohmann::ordered_json Report::head() const {
  nlohmann::ordered_json j;
  j["config"] = configuration_;
  j["simulated_ns"] = static_cast<double>(core::now()) / core::kNanosecond;
  j["trace_hash"] = fmt::format("{:016x}", core::TraceHash::get().value());
  return j;
}

void Report::finish(const std::string& file, nlohmann::ordered_json report) const {
  report["on_this_machine"] = {{"host_seconds", host_seconds()},
                               {"elaboration_seconds", elaboration_seconds_},
                               {"peak_memory_mib", peak_memory_mib()}};
  std::ofstream out(file);
  out << report.dump(2) << "\n";
  if (!out.flush()) core::bad_input(fmt::format("cannot write the statistics file '{}'", file));
}

void Report::write(const std::string& file, const Socket& socket) const {
  finish(file, describe(socket));
}

nlohmann::ordered_json Report::describe(const Socket& socket) const {
  nlohmann::ordered_json j = head();
  const auto hart = socket.management().hart_statistics();
  j["instructions"] = hart.instructions;
  j["hart_cycles"] = hart.cycles;
  j["memory"] = {{"hbm", counters(socket.hbm())}, {"ddr", counters(socket.ddr())}};
  const auto host = socket.endpoint().statistics();
  j["host"] = {{"register_reads", host.host_reads},     {"register_writes", host.host_writes},
               {"dma_bytes_read", host.dma_bytes_read}, {"dma_bytes_written", host.dma_bytes_written},
               {"interrupts", host.interrupts},         {"table_reads", host.table_reads}};
  j["guest_faults"] = socket.guest_faults();
  for (unsigned t = 0; t < socket.tiles(); ++t) j["tiles"].push_back(tile_statistics(socket.tile(t)));
  return j;
}

void Report::write(const std::string& file, const mgmt::Management& management) const {
  nlohmann::ordered_json j = head();
  for (unsigned i = 0; i < management.harts(); ++i) {
    const mgmt::HartStatistics hart = management.hart_statistics(i);
    j["harts"].push_back({{"instructions", hart.instructions},
                          {"cycles", hart.cycles},
                          {"exceptions", hart.exceptions},
                          {"interrupts", hart.interrupts}});
  }
  finish(file, std::move(j));
}

void Report::print_summary(std::ostream& out, const Socket& socket) const {
  const SocketParams& p = socket.params();
  const auto row = [&](const char* what, const std::string& text) {
    out << fmt::format("{:<14} {}\n", what, text);
  };
  row("configuration", configuration_);
  row("tiles",
      fmt::format("{} of {} x {} cells: {} PCUs of {} lanes x {} stages, {} PMUs of {}, {} AGCUs, at {}",
                  p.tiles, p.tile.rows, p.tile.columns, p.tiles * p.tile.rows * p.tile.columns, p.tile.lanes,
                  p.tile.stages, p.tiles * p.tile.rows * p.tile.columns,
                  format_quantity(p.tile.pmu_bytes, core::Unit::bytes), p.tiles * p.tile.agcus(),
                  format_quantity(p.tile.clock, core::Unit::frequency)));
  row("hbm",
      fmt::format("{}, {} channels, {}", format_quantity(p.hbm.capacity, core::Unit::bytes), p.hbm.stacks,
                  format_quantity(p.hbm.stacks * p.hbm.stack_bandwidth, core::Unit::bandwidth)));
  row("ddr", fmt::format("{}, {} channels, {}", format_quantity(p.ddr.capacity, core::Unit::bytes),
                         p.ddr.channels, format_quantity(p.ddr.bandwidth, core::Unit::bandwidth)));
  const double peak =
      static_cast<double>(p.tiles * p.tile.rows * p.tile.columns * p.tile.lanes * p.tile.stages * 2) *
      static_cast<double>(p.tile.clock);
  row("peak", fmt::format("{:.2f} TFLOP/s in BF16 (PCUs x lanes x stages x 2 x clock)", peak / 1e12));
  row("elaboration",
      fmt::format("{:.3f} s, {:.0f} MiB on this machine", elaboration_seconds_, peak_memory_mib()));
}

}  // namespace rdu::platform
