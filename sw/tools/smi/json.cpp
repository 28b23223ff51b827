#include "smi/json.h"

namespace rdu::smi {

nlohmann::ordered_json json(const Sample& s, const Sample* before) {
  using Json = nlohmann::ordered_json;
  Json j = {{"device", s.address},
            {"model", s.info.model},
            {"firmware", s.info.firmware},
            {"uptime_ns", s.health.uptime_ns},
            {"last_start", s.health.last_start},
            {"restarts", s.health.restarts},
            {"panics", s.health.panics},
            {"log_lines_lost", s.health.log_lines_lost},
            {"tiles", {{"count", s.info.tiles}, {"rows", s.info.rows}, {"columns", s.info.columns}}}};
  j["sensors"] = Json::array();
  for (const rdu_sensor& r : s.sensors) {
    j["sensors"].push_back({{"name", name(r)},
                            {"millicelsius", r.temperature},
                            {"low", r.low},
                            {"high", r.high},
                            {"critical", r.critical},
                            {"millivolts", r.millivolts},
                            {"milliwatts", r.milliwatts},
                            {"microjoules", r.microjoules}});
  }
  const rdu_usage& u = s.usage;
  j["memory"] = {{"hbm_bytes", u.hbm_bytes},        {"hbm_used", u.hbm_used},
                 {"hbm_read", s.memory.hbm_read},   {"hbm_written", s.memory.hbm_written},
                 {"ddr_bytes", u.ddr_bytes},        {"ddr_used", u.ddr_used},
                 {"ddr_read", s.memory.ddr_read},   {"ddr_written", s.memory.ddr_written},
                 {"host_read", s.memory.host_read}, {"host_written", s.memory.host_written}};
  j["ecc"] = {{"hbm_corrected", s.health.hbm_corrected},
              {"hbm_uncorrected", s.health.hbm_uncorrected},
              {"ddr_corrected", s.health.ddr_corrected},
              {"ddr_uncorrected", s.health.ddr_uncorrected}};
  j["usage"] = {{"time_ns", u.time_ns}, {"tile_ns", u.tile_ns}, {"copy_ns", u.copy_ns}};
  if (const auto l = load(s, before))
    j["utilisation"] = {{"since", before == nullptr ? "power-on" : "last sample"},
                        {"time_ns", l->time_ns},
                        {"tiles", l->tiles},
                        {"copy_channels", l->copies}};
  for (const Units& unit : s.units)
    j["units"][unit.kind] = {{"all", unit.all}, {"used", unit.used}, {"busy_cycles", unit.busy}};
  j["processes"] = Json::array();
  for (const Process& p : s.processes) {
    j["processes"].push_back({{"context", p.usage.id},
                              {"pid", p.usage.owner},
                              {"name", p.name},
                              {"queues", p.usage.queues},
                              {"hbm_bytes", p.usage.hbm_bytes},
                              {"ddr_bytes", p.usage.ddr_bytes},
                              {"commands", p.usage.commands},
                              {"copied_bytes", p.usage.copied_bytes},
                              {"tile_ns", p.usage.tile_ns},
                              {"copy_ns", p.usage.copy_ns}});
  }
  j["events"] = Json::array();
  for (const rdu_device_event& e : s.events) {
    j["events"].push_back({{"sequence", e.sequence},
                           {"time_ns", e.time_ns},
                           {"text", text(e)},
                           {"type", e.type},
                           {"code", e.code},
                           {"severity", e.severity},
                           {"source", e.source},
                           {"value", e.value}});
  }
  return j;
}

}  // namespace rdu::smi
