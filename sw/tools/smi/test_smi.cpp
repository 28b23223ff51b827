// rdu-smi's table and JSON of a sample that was made up: every figure in its place, within 80 columns.
#include "smi/table.h"

#include <sstream>

#include "smi/json.h"
#include "test/catch.h"

using Catch::Matchers::Contains;
using namespace rdu::smi;

namespace {

Sample sample() {
  Sample s;
  s.address = "/dev/rdu0";
  s.info = {};
  std::snprintf(s.info.model, sizeof s.info.model, "RDU mini");
  std::snprintf(s.info.firmware, sizeof s.info.firmware, "rdu-mgmt 9.8.7");
  s.info.tiles = 4;
  s.info.rows = 20;
  s.info.columns = 13;
  s.health.last_start = "watchdog";
  s.health.restarts = 12;
  s.health.panics = 3;
  s.health.uptime_ns = 7'265'000'000'000;
  s.health.events = 9;
  s.health.hbm_corrected = 41;
  s.sensors = {{RDU_SENSOR_SOCKET, 0, 101'250, 0, 85'000, 100'000, 11'999, 345'600, 77'000'000},
               {RDU_SENSOR_TILE, 3, 90'000, 0, 85'000, 100'000, 748, 15'000, 7}};
  s.usage.time_ns = 4'000'000;
  s.usage.tile_ns[0] = 1'000'000;
  s.usage.tile_ns[3] = 10;
  s.usage.copy_ns[1] = 3'000'000;
  s.usage.hbm_bytes = 64ull << 30;
  s.usage.hbm_used = 16ull << 30;
  s.usage.ddr_bytes = 3ull << 39;
  s.memory.hbm_read = 123'456'789'012;
  s.processes = {
      {{1, 2, 4711, 8ull << 30, 1ull << 40, 123'456'789, 5, 1'234'567, 89'000'000}, "a-long-name-of-16"},
      {{2, 1, 0, 4096, 0, 0, 0, 0, 0}, ""}};
  s.units = {{"PCU", 3, 260, 900, 400}};
  for (uint32_t i = 1; i <= 7; ++i) s.events.push_back({i, 3, 1, 2, 1, i * 1'000'000, 0x40});
  return s;
}

}  // namespace

TEST_CASE("figures have three digits and a unit") {
  CHECK(bytes_text(0) == "0 B");
  CHECK(bytes_text(999) == "999 B");
  CHECK(bytes_text(1000) == "0.98 KiB");
  CHECK(bytes_text(64ull << 30) == "64.0 GiB");
  CHECK(bytes_text(520ull << 20) == "520 MiB");
  CHECK(bytes_text(~0ull) == "16384 PiB");
  CHECK(time_text(7) == "7 ns");
  CHECK(time_text(1'234'567) == "1.23 ms");
  CHECK(time_text(59'900'000'000) == "59.9 s");
  CHECK(time_text(7'265'000'000'000) == "2:01:05");
}

TEST_CASE("utilisation is that of the interval, else since power-on") {
  const Sample now = sample();
  CHECK(load(now, nullptr)->tiles[0] == 0.25);
  CHECK(load(now, nullptr)->copies[1] == 0.75);
  Sample before = now;
  CHECK_FALSE(load(now, &before));
  before.usage.time_ns = 3'000'000;
  before.usage.tile_ns[0] = 900'000;
  CHECK(load(now, &before)->tiles[0] == Approx(0.1));
  CHECK(load(now, &before)->copies[1] == 0);
}

TEST_CASE("the table has everything, in 80 columns") {
  const Sample now = sample();
  const std::string text = table(now, nullptr);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    INFO(line);
    CHECK(line.size() == 80);
  }
  for (const char* part : {"| /dev/rdu0 ",
                           "RDU mini, 4 tiles of 20 x 13 units",
                           "| rdu-mgmt 9.8.7 ",
                           "up 2:01:05 since watchdog, restarts 12, panics 3",
                           "CRIT",
                           "high",
                           "16.0 GiB of 64.0 GiB",
                           "1.50 TiB",
                           "115 GiB",
                           "25 %",
                           "75 %",
                           "tile 3 [#",
                           "4711 a-long-name-~",
                           "123456789",
                           "1.23 ms",
                           "89.0 ms",
                           "this process",
                           "PCU 3/260: 400",
                           "9 since the firmware started, 0 lost",
                           "(2 earlier ones: --json)",
                           "7.00 ms error: HBM: ECC"})
    CHECK_THAT(text, Contains(part));
  CHECK_THAT(table(now, &now), Contains("no device time has passed"));
  Sample empty;
  empty.health.last_start = "power on";
  CHECK_THAT(table(empty, nullptr), Contains("nobody uses the device"));
}

TEST_CASE("JSON has the same") {
  const auto j = json(sample(), nullptr);
  CHECK(j["device"] == "/dev/rdu0");
  CHECK(j["memory"]["hbm_used"] == 16ull << 30);
  CHECK(j["utilisation"]["tiles"][0] == 0.25);
  CHECK(j["utilisation"]["since"] == "power-on");
  CHECK(j["processes"][0]["pid"] == 4711);
  CHECK(j["processes"].size() == 2);
  CHECK(j["events"].size() == 7);
  CHECK(j["sensors"][1]["name"] == "tile 3");
}
