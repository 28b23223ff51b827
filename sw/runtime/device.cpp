#include "runtime/device.h"

#include <fmt/format.h>

#include <cstring>
#include <iterator>
#include <type_traits>
#include <utility>

#include "fabric/program.h"
#include "runtime/context.h"
#include "runtime/health.h"

namespace rdu::runtime {

namespace {

// A page as an array of what rdu_abi.h says that it holds.
template <typename T>
std::vector<T> entries(const std::vector<uint8_t>& page, const char* name) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (page.size() % sizeof(T) != 0)
    throw Error(RDU_ERROR_PROTOCOL, std::string("the firmware's ") + name + " page has a bad size");
  std::vector<T> result(page.size() / sizeof(T));
  if (!result.empty()) std::memcpy(result.data(), page.data(), page.size());
  return result;
}

}  // namespace

Device::Device(std::unique_ptr<Transport> transport, Milliseconds timeout, Log log)
    : transport_(std::move(transport)),
      timeout_(timeout),
      log_(std::move(log)),
      loaded_programs_(transport_->identity().tiles) {}

Device::~Device() {
  close();
}

void Device::close() {
  std::lock_guard lock(mutex_);
  // Contexts are not deleted one by one: disabling the device drops them.
  for (Context* context : contexts_) context->drop();
  contexts_.clear();
  transport_.reset();
}

Transport& Device::transport() {
  if (!transport_) throw Error(RDU_ERROR_DEVICE_LOST, "the device was closed");
  return *transport_;
}

uint64_t& Device::loaded_program(uint32_t tile) {
  if (tile >= loaded_programs_.size())
    throw Error(RDU_ERROR_INVALID_ARGUMENT,
                fmt::format("the device has no tile {}: it has {}", tile, loaded_programs_.size()));
  return loaded_programs_[tile];
}

rdu_info Device::info() {
  const rdu_identify& id = transport().identity();
  rdu_info info{};
  static_assert(sizeof info.model == sizeof id.model && sizeof info.firmware == sizeof id.firmware);
  std::memcpy(info.model, id.model, sizeof info.model);  // the driver has ended them with a zero
  std::memcpy(info.firmware, id.firmware, sizeof info.firmware);
  info.firmware_version = id.fw_version;
  info.interface_version = transport().interface_version();
  info.tiles = id.tiles;
  info.rows = id.rows;
  info.columns = id.columns;
  info.agcus = id.agcus;
  info.queues = id.queue_pairs;
  info.contexts = id.contexts;
  info.hbm_bytes = id.hbm_bytes;
  info.ddr_bytes = id.ddr_bytes;
  info.hbm_bandwidth = id.hbm_bandwidth;
  info.ddr_bandwidth = id.ddr_bandwidth;
  return info;
}

rdu_memory_counters Device::memory_counters() {
  const auto pages = entries<rdu_log_memory>(transport().read_log(RDU_LOG_MEMORY), "memory");
  if (pages.size() != 1) throw Error(RDU_ERROR_PROTOCOL, "the firmware's memory page has a bad size");
  const rdu_log_memory& page = pages[0];
  return {page.hbm_read,    page.hbm_written, page.ddr_read,
          page.ddr_written, page.host_read,   page.host_written};
}

std::vector<rdu_activity> Device::activity() {
  std::vector<rdu_activity> result;
  for (const auto& unit : entries<rdu_log_activity>(transport().read_log(RDU_LOG_ACTIVITY), "activity")) {
    rdu_activity a{};
    a.kind = RDU_UNIT_KIND(unit.unit);
    a.row = RDU_UNIT_ROW(unit.unit);
    a.column = RDU_UNIT_COL(unit.unit);
    a.busy = unit.busy;
    a.stall_in = unit.stall_in;
    a.stall_out = unit.stall_out;
    a.vectors = unit.vectors;
    a.bytes = unit.bytes;
    result.push_back(a);
  }
  return result;
}

std::string Device::log_text() {
  const auto page = transport().read_log(RDU_LOG_TEXT);
  return {page.begin(), page.end()};
}

std::vector<rdu_sensor> Device::sensors() {
  std::vector<rdu_sensor> result;
  for (const auto& s : entries<rdu_log_sensor>(transport().read_log(RDU_LOG_SENSORS), "sensors")) {
    result.push_back(
        {s.kind, s.index, s.temperature, s.low, s.high, s.critical, s.voltage, s.power, s.energy});
  }
  return result;
}

rdu_health Device::health() {
  static const char* const starts[] = {"power on", "software", "host", "watchdog"};
  const auto pages = entries<rdu_log_health>(transport().read_log(RDU_LOG_HEALTH), "health");
  if (pages.size() != 1) throw Error(RDU_ERROR_PROTOCOL, "the firmware's health page has a bad size");
  const rdu_log_health& page = pages[0];
  rdu_health health{};
  health.last_start = page.reset_reason < std::size(starts) ? starts[page.reset_reason] : "unknown";
  health.restarts = page.restarts;
  health.panics = page.panics;
  health.uptime_ns = page.time_ns - page.start_ns;
  health.log_lines_lost = page.log_lines_lost;
  health.events = page.events;
  health.events_lost = page.events_lost;
  health.hbm_corrected = page.hbm_corrected;
  health.hbm_uncorrected = page.hbm_uncorrected;
  health.ddr_corrected = page.ddr_corrected;
  health.ddr_uncorrected = page.ddr_uncorrected;
  return health;
}

std::vector<rdu_device_event> Device::events() {
  std::vector<rdu_device_event> result;
  for (const auto& event : entries<rdu_log_event>(transport().read_log(RDU_LOG_EVENTS), "events"))
    result.push_back(device_event_of(event));
  return result;
}

std::vector<rdu_context_usage> Device::contexts() {
  std::vector<rdu_context_usage> result;
  for (const auto& c : entries<rdu_log_context>(transport().read_log(RDU_LOG_CONTEXTS), "contexts"))
    result.push_back({c.id, c.queues, c.owner, c.hbm_bytes, c.ddr_bytes, c.commands, c.copied_bytes,
                      c.tile_ns, c.copy_ns});
  return result;
}

rdu_usage Device::usage() {
  const auto pages = entries<rdu_log_usage>(transport().read_log(RDU_LOG_USAGE), "usage");
  if (pages.size() != 1) throw Error(RDU_ERROR_PROTOCOL, "the firmware's usage page has a bad size");
  const rdu_log_usage& page = pages[0];
  rdu_usage usage{};
  usage.time_ns = page.time_ns;
  static_assert(sizeof usage.tile_ns == sizeof page.tile_ns && sizeof usage.copy_ns == sizeof page.copy_ns);
  std::memcpy(usage.tile_ns, page.tile_ns, sizeof usage.tile_ns);
  std::memcpy(usage.copy_ns, page.copy_ns, sizeof usage.copy_ns);
  usage.hbm_bytes = page.hbm_bytes;
  usage.hbm_used = page.hbm_used;
  usage.ddr_bytes = page.ddr_bytes;
  usage.ddr_used = page.ddr_used;
  return usage;
}

std::string Device::panic_text() {
  auto reports = entries<rdu_log_panic>(transport().read_log(RDU_LOG_PANIC), "panic");
  if (reports.empty()) return {};
  reports[0].text[sizeof reports[0].text - 1] = '\0';
  reports[0].firmware[sizeof reports[0].firmware - 1] = '\0';
  return describe(reports[0]);
}

void Device::log(const std::string& line) const {
  if (log_) log_(line);
}

}  // namespace rdu::runtime
