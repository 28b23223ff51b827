// librdu against a fake device: handles, memory, copies, programs, arguments, errors and their texts.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "compiler/compile.h"
#include "fabric/schedule.h"
#include "rdu.hpp"
#include "regs/sequencer.h"
#include "runtime/argument_ring.h"
#include "runtime/test/session.h"

using Catch::Matchers::Contains;
using namespace rdu::runtime;
using rdu::user::FakeDevice;

namespace {

// A program that copies rows / 6 packets from x to y.
std::vector<uint8_t> container(uint16_t tile_rows = 6) {
  using namespace rdu::compiler;
  Graph graph("copy", "copies packets");
  const Value x = graph.address("x", "input", 64);
  const Value y = graph.address("y", "output", 64);
  const Value packets = graph.number("rows", "six times the packets", 6, 600, 6) / 6;
  graph.property("pipelines", "4");
  const auto load = graph.add("load", Load{x, 64, {{packets, 64}}});
  graph.connect(load, graph.add("store", Store{y, 64, {{packets, 64}}}));
  Target target;
  target.shape.rows = tile_rows;
  return compile(graph, target).serialize();
}

}  // namespace

TEST_CASE("argument ring: places depend on sizes alone") {
  ArgumentRing ring(100);
  const auto take = [&](uint64_t bytes, uint64_t number) {
    const auto place = ring.reserve(bytes);
    ring.used_by(number);
    return place;
  };
  CHECK(take(40, 0).offset == 0);
  CHECK(take(40, 1).offset == 40);
  const auto third = take(40, 2);  // does not fit behind: starts over, on the first one
  CHECK(third.offset == 0);
  CHECK(third.after == 0u);
  const auto fourth = take(20, 3);
  CHECK(fourth.offset == 40);
  CHECK(fourth.after == 1u);
  CHECK(take(0, 4).offset == 60);
  const auto whole = take(100, 5);
  CHECK(whole.offset == 0);
  CHECK(whole.after == 4u);
  CHECK(take(100, 6).after == 5u);
}

TEST_CASE("every result has a name and a text") {
  for (int r = RDU_OK; r <= RDU_ERROR_UNSUPPORTED; ++r) {
    CHECK_THAT(rdu_result_name(static_cast<rdu_result>(r)), Contains("RDU_"));
    CHECK(std::string(rdu_strerror(static_cast<rdu_result>(r))) != "unknown result");
  }
  CHECK(std::string(rdu_strerror(static_cast<rdu_result>(99))) == "unknown result");
  CHECK(rdu_api_version() == RDU_API_VERSION);
}

TEST_CASE("opening what is not there") {
  rdu_device* device = nullptr;
  CHECK(rdu_open("unix:/nonexistent/rdu.sock", 50, &device) == RDU_ERROR_NO_DEVICE);
  CHECK_THAT(last(), Contains("/nonexistent/rdu.sock"));
  CHECK(rdu_open("pci:0000:01:00.0", 50, &device) == RDU_ERROR_INVALID_ARGUMENT);
  CHECK_THAT(last(), Contains("unix:PATH"));
  setenv("RDU_DEVICE", "unix:/nonexistent/from-environment", 1);
  CHECK(rdu_open(nullptr, 50, &device) == RDU_ERROR_NO_DEVICE);
  CHECK_THAT(last(), Contains("from-environment"));
  unsetenv("RDU_DEVICE");
  CHECK(rdu_open(nullptr, 50, nullptr) == RDU_ERROR_INVALID_ARGUMENT);
  CHECK(device == nullptr);
  CHECK_THROWS_AS(rdu::Device("/nonexistent/rdu.sock", rdu::Timeout{10}), rdu::Error);
}

TEST_CASE("what a device is and has counted") {
  FakeDevice fake;
  fake.log_text = "one\ntwo\n";
  rdu_log_activity unit{};
  unit.unit = RDU_UNIT(RDU_UNIT_PMU, 3, 4);
  unit.busy = 77;
  fake.activity = {unit, unit};
  Session s(fake);
  rdu_info info;
  REQUIRE(rdu_get_info(s.device, &info) == RDU_OK);
  CHECK(std::string(info.model) == "fake");
  CHECK(info.rows == 6);
  CHECK(info.interface_version == 0x10000);
  uint64_t ns = 0;
  CHECK(rdu_device_time(s.device, &ns) == RDU_OK);
  CHECK(ns > 0);
  rdu_activity units[1];
  size_t count = 0;
  REQUIRE(rdu_read_activity(s.device, units, 1, &count) == RDU_OK);
  CHECK(count == 2);
  CHECK(units[0].kind == RDU_KIND_PMU);
  CHECK(units[0].row == 3);
  CHECK(units[0].column == 4);
  CHECK(units[0].busy == 77);
  char text[6];
  REQUIRE(rdu_read_log(s.device, text, sizeof text, &count) == RDU_OK);
  CHECK(std::string(text) == "one\nt");
  CHECK(count == 8);
}

TEST_CASE("the device's health: sensors, counters, events, the report of a panic") {
  const auto page = [](const void* data, size_t bytes) {
    const auto* first = static_cast<const uint8_t*>(data);
    return std::vector<uint8_t>(first, first + bytes);
  };
  FakeDevice fake;
  const rdu_log_sensor sensors[2] = {{1, 0, 0, 0, 41'500, 0, 85'000, 100'000, 11'999, 45'600, 0, 77},
                                     {5, 3, 0, 0, -2'000, 0, 85'000, 100'000, 748, 15'000, 0, 7}};
  fake.log_pages[RDU_LOG_SENSORS] = page(sensors, sizeof sensors);
  rdu_log_health health{};
  health.reset_reason = 3;
  health.restarts = 2;
  health.start_ns = 1000;
  health.time_ns = 5000;
  health.ddr_uncorrected = 9;
  fake.log_pages[RDU_LOG_HEALTH] = page(&health, sizeof health);
  const rdu_log_event events[1] = {{4, RDU_EVENT_ECC, 1, RDU_SEVERITY_ERROR, RDU_SEGMENT_DDR, 123, 0x40}};
  fake.log_pages[RDU_LOG_EVENTS] = page(events, sizeof events);
  fake.log_pages[RDU_LOG_PANIC] = {};
  std::memcpy(&fake.next_event, &events[0], sizeof fake.next_event);
  Session s(fake);

  rdu_sensor read[2];
  size_t count = 0;
  REQUIRE(rdu_read_sensors(s.device, nullptr, 0, &count) == RDU_OK);
  CHECK(count == 2);
  REQUIRE(rdu_read_sensors(s.device, read, 2, &count) == RDU_OK);
  CHECK(read[0].kind == RDU_SENSOR_SOCKET);
  CHECK(read[0].milliwatts == 45'600);
  CHECK(read[1].index == 3);
  CHECK(read[1].temperature == -2'000);
  rdu_health h;
  REQUIRE(rdu_read_health(s.device, &h) == RDU_OK);
  CHECK(std::string(h.last_start) == "watchdog");
  CHECK(h.uptime_ns == 4000);
  CHECK(h.ddr_uncorrected == 9);
  rdu_device_event one;
  REQUIRE(rdu_read_device_events(s.device, &one, 1, &count) == RDU_OK);
  CHECK(count == 1);
  CHECK(one.value == 0x40);
  char line[80];
  REQUIRE(rdu_describe_device_event(&one, line, sizeof line) == RDU_OK);
  CHECK(std::string(line) == "error: DDR: ECC could not correct an error");
  REQUIRE(rdu_read_panic(s.device, line, sizeof line, &count) == RDU_OK);
  CHECK(count == 0);

  rdu_event* event = nullptr;
  REQUIRE(rdu_device_event_async(s.queue, &event) == RDU_OK);
  REQUIRE(rdu_event_wait(event, 1000) == RDU_OK);
  rdu_device_event got;
  REQUIRE(rdu_event_get_device_event(event, &got) == RDU_OK);
  CHECK(got.sequence == 4);
  CHECK(got.type == RDU_EVENT_ECC);
  CHECK(got.source == RDU_SEGMENT_DDR);
  rdu_event_release(event);
  REQUIRE(rdu_nop_async(s.queue, &event) == RDU_OK);
  REQUIRE(rdu_event_wait(event, 1000) == RDU_OK);
  CHECK(rdu_event_get_device_event(event, &got) == RDU_ERROR_INVALID_ARGUMENT);
  rdu_event_release(event);
  CHECK(rdu_device_event_async(s.queue, nullptr) == RDU_ERROR_INVALID_ARGUMENT);
}

TEST_CASE("memory: addresses, host pointers, exhaustion, leaks") {
  FakeDevice fake;
  Session s(fake);
  rdu_memory* a = s.memory(RDU_TIER_HBM, 1);
  rdu_memory* b = s.memory(RDU_TIER_HBM, 1000);
  rdu_memory* d = s.memory(RDU_TIER_DDR, 10);
  rdu_memory* h = s.memory(RDU_TIER_HOST, 5000);
  CHECK(rdu_mem_address(a) == RDU_VA(RDU_SEGMENT_HBM, 0));
  CHECK(rdu_mem_address(b) == RDU_VA(RDU_SEGMENT_HBM, 256));
  CHECK(rdu_mem_address(d) == RDU_VA(RDU_SEGMENT_DDR, 0));
  CHECK(rdu_mem_address(h) >> RDU_SEGMENT_SHIFT == RDU_SEGMENT_HOST);
  CHECK(rdu_mem_size(b) == 1000);
  CHECK(rdu_mem_tier(d) == RDU_TIER_DDR);
  CHECK(rdu_mem_pointer(a) == nullptr);
  REQUIRE(rdu_mem_pointer(h) != nullptr);
  CHECK(static_cast<uint8_t*>(rdu_mem_pointer(h))[4999] == 0);
  uint64_t bytes = 0, largest = 0;
  CHECK(rdu_mem_available(s.context, RDU_TIER_HBM, &bytes, &largest) == RDU_OK);
  CHECK(bytes == (1 << 16) - 256 - 1024);
  CHECK(largest == bytes);
  CHECK(rdu_mem_available(s.context, RDU_TIER_HOST, &bytes, nullptr) == RDU_ERROR_INVALID_ARGUMENT);
  rdu_memory* none = nullptr;
  CHECK(rdu_mem_alloc(s.context, RDU_TIER_HBM, 1 << 16, &none) == RDU_ERROR_NO_MEMORY);
  CHECK(last() == "the context's HBM has no room for 65536 bytes: 64256 are free, 64256 in one piece");
  CHECK(rdu_mem_alloc(s.context, RDU_TIER_HBM, 0, &none) == RDU_ERROR_INVALID_ARGUMENT);
  CHECK(rdu_mem_alloc(s.context, static_cast<rdu_tier>(9), 1, &none) == RDU_ERROR_INVALID_ARGUMENT);
  rdu_mem_free(a);
  rdu_mem_free(d);
  rdu_mem_free(h);
  // b is left: its context reports and frees it.
  rdu_queue_destroy(s.queue);
  s.queue = nullptr;
  CHECK(rdu_context_destroy(s.context) == RDU_OK);
  s.context = nullptr;
  REQUIRE(lines().size() == 1);
  CHECK(lines()[0] == "leak: 1000 bytes of HBM at 0x100000000100 were not freed before their context");
  CHECK(fake.live_contexts() == 0);
  rdu_mem_free(b);
}

TEST_CASE("contexts: the device's limits, and children first") {
  FakeDevice fake;
  Session s(fake);
  rdu_context* other = nullptr;
  CHECK(rdu_context_create(s.device, 1 << 30, 0, &other) == RDU_ERROR_NO_MEMORY);
  CHECK(last() == "the firmware refused CREATE_CONTEXT: not enough device memory is left");
  CHECK(rdu_context_destroy(s.context) == RDU_ERROR_IN_USE);
  CHECK_THAT(last(), Contains("still has 1 queues"));
  std::vector<rdu_context*> more(3);
  for (auto& context : more) REQUIRE(rdu_context_create(s.device, 0, 0, &context) == RDU_OK);
  CHECK(rdu_context_create(s.device, 0, 0, &other) == RDU_ERROR_NO_RESOURCE);
  rdu_queue* queue = nullptr;
  CHECK(rdu_queue_create(more[0], 3, &queue) == RDU_ERROR_INVALID_ARGUMENT);
  CHECK_THAT(last(), Contains("power of two, 2 to 1024"));
  CHECK(rdu_queue_create(more[0], 2048, &queue) == RDU_ERROR_INVALID_ARGUMENT);
  for (auto& context : more) CHECK(rdu_context_destroy(context) == RDU_OK);
}

TEST_CASE("copies move bytes between all tiers, and nothing outside") {
  FakeDevice fake;
  Session s(fake);
  rdu_memory* in = s.memory(RDU_TIER_HOST, 4096);
  rdu_memory* ddr = s.memory(RDU_TIER_DDR, 4096);
  rdu_memory* hbm = s.memory(RDU_TIER_HBM, 4096);
  rdu_memory* out = s.memory(RDU_TIER_HOST, 4096);
  auto* source = static_cast<uint8_t*>(rdu_mem_pointer(in));
  for (int i = 0; i < 4096; ++i) source[i] = static_cast<uint8_t>(i * 7);
  CHECK(rdu_copy(s.queue, ddr, 0, in, 0, 4096, kMs) == RDU_OK);
  CHECK(rdu_copy(s.queue, hbm, 96, ddr, 32, 1000, kMs) == RDU_OK);
  rdu_event* event = nullptr;
  CHECK(rdu_copy_async(s.queue, out, 0, hbm, 96, 1000, &event) == RDU_OK);
  CHECK(rdu_event_wait(event, kMs) == RDU_OK);
  CHECK(rdu_event_wait(event, 0) == RDU_OK);
  rdu_event_info info;
  CHECK(rdu_event_get_info(event, &info) == RDU_OK);
  CHECK(info.end_ns == info.start_ns + 100);
  CHECK(info.cycles == 0);
  CHECK(info.tag == (1 << 16 | 2) + 1);
  rdu_event_release(event);
  CHECK(std::memcmp(rdu_mem_pointer(out), source + 32, 1000) == 0);
  rdu_memory_counters counters;
  CHECK(rdu_read_memory_counters(s.device, &counters) == RDU_OK);
  CHECK(counters.hbm_written == 1000);

  CHECK(rdu_copy(s.queue, hbm, 4000, in, 0, 97, kMs) == RDU_ERROR_INVALID_ARGUMENT);
  CHECK(last() == "the copy's destination is 97 bytes at offset 4000 of memory that has 4096");
  CHECK(rdu_copy(s.queue, hbm, 0, in, ~0ull, 2, kMs) == RDU_ERROR_INVALID_ARGUMENT);
  CHECK(rdu_copy(s.queue, nullptr, 0, in, 0, 2, kMs) == RDU_ERROR_INVALID_ARGUMENT);
  CHECK(last() == "destination is NULL");
  rdu_context* context = nullptr;
  rdu_memory* foreign = nullptr;
  REQUIRE(rdu_context_create(s.device, 4096, 0, &context) == RDU_OK);
  REQUIRE(rdu_mem_alloc(context, RDU_TIER_HBM, 4096, &foreign) == RDU_OK);
  CHECK(rdu_copy(s.queue, foreign, 0, in, 0, 4, kMs) == RDU_ERROR_INVALID_ARGUMENT);
  CHECK(last() == "HBM of another context than the queue's");
  for (rdu_memory* memory : {in, ddr, hbm, out, foreign}) rdu_mem_free(memory);
  rdu_context_destroy(context);
}

TEST_CASE("schedules: instructions and pairs in the device, steps of arguments, and what makes no sense") {
  FakeDevice fake;
  Session s(fake);
  const auto bytes = container();
  rdu_program* program = nullptr;
  REQUIRE(rdu_program_create(s.queue, bytes.data(), bytes.size(), kMs, &program) == RDU_OK);
  rdu_memory* x = s.memory(RDU_TIER_HBM, 4096);
  rdu_memory* flag = s.memory(RDU_TIER_HOST, 64);
  std::vector<rdu_schedule_instruction> code;
  std::vector<rdu_argument_tuple> pairs;
  unsigned runs = 0;
  fake.on_schedule = [&](const rdu_sqe& sqe, uint64_t* result) -> uint16_t {
    ++runs;
    code.resize(sqe.arg[1] / sizeof code[0]);
    const uint8_t* p = fake.at(sqe.context, sqe.arg[0], sqe.arg[1]);
    if (p == nullptr) return RDU_STATUS_BAD_ARGUMENT;
    std::memcpy(code.data(), p, sqe.arg[1]);
    for (const auto& i : code) {
      if (i.op != RDU_SCHEDULE_ARGUMENTS) continue;
      pairs.resize(i.count);
      p = fake.at(sqe.context, i.address, pairs.size() * sizeof pairs[0]);
      if (p == nullptr) return RDU_STATUS_BAD_ARGUMENT;
      std::memcpy(pairs.data(), p, pairs.size() * sizeof pairs[0]);
    }
    *result = 77;
    return RDU_STATUS_OK;
  };
  rdu_schedule* schedule = nullptr;
  REQUIRE(rdu_schedule_create(s.context, &schedule) == RDU_OK);
  const rdu_schedule_argument arguments[] = {
      {{"x", x, 64}, 128, 0, 0}, {{"y", x, 1024}, 0, 0, 0}, {{"rows", nullptr, 36}, 0, 0, 0}};
  CHECK(rdu_schedule_launch(schedule, arguments, 3) == RDU_ERROR_INVALID_ARGUMENT);
  CHECK_THAT(last(), Contains("not sure which program"));
  REQUIRE(rdu_schedule_load(schedule, program) == RDU_OK);
  CHECK(rdu_schedule_launch(schedule, arguments, 3) == RDU_ERROR_INVALID_ARGUMENT);
  CHECK_THAT(last(), Contains("a loop that is not around it"));
  REQUIRE(rdu_schedule_loop(schedule, 4) == RDU_OK);
  REQUIRE(rdu_schedule_launch(schedule, arguments, 3) == RDU_OK);
  REQUIRE(rdu_schedule_if(schedule, RDU_EQUAL, x, 4, -1) == RDU_OK);
  CHECK(rdu_schedule_break_if(schedule, RDU_EQUAL, x, 4, -1) == RDU_ERROR_INVALID_ARGUMENT);
  CHECK(rdu_schedule_end_loop(schedule) == RDU_ERROR_INVALID_ARGUMENT);
  REQUIRE(rdu_schedule_notify(schedule, flag, 8, 5) == RDU_OK);
  REQUIRE(rdu_schedule_end_if(schedule) == RDU_OK);
  REQUIRE(rdu_schedule_break_if(schedule, RDU_LESS, x, 8, 3) == RDU_OK);
  CHECK(rdu_schedule_run(s.queue, schedule, kMs) == RDU_ERROR_INVALID_ARGUMENT);
  CHECK(last() == "schedule: a loop has no end");
  REQUIRE(rdu_schedule_end_loop(schedule) == RDU_OK);
  CHECK(rdu_schedule_wait_until(schedule, RDU_NOT_LESS, flag, 62, 1, 100) == RDU_ERROR_INVALID_ARGUMENT);
  CHECK(rdu_schedule_wait_until(schedule, RDU_NOT_LESS, flag, 64, 1, 100) == RDU_ERROR_INVALID_ARGUMENT);
  REQUIRE(rdu_schedule_wait_until(schedule, RDU_NOT_LESS, flag, 60, 1, 100) == RDU_OK);
  rdu_event* event = nullptr;
  REQUIRE(rdu_schedule_run_async(s.queue, schedule, 0, &event) == RDU_OK);
  CHECK(rdu_event_wait(event, kMs) == RDU_OK);
  rdu_event_info timing;
  CHECK(rdu_event_get_info(event, &timing) == RDU_OK);
  CHECK(timing.cycles == 77);
  rdu_event_release(event);
  std::vector<unsigned> ops;
  for (const auto& i : code) ops.push_back(i.op);
  CHECK(ops == std::vector<unsigned>{RDU_SCHEDULE_LOAD, RDU_SCHEDULE_LOOP, RDU_SCHEDULE_ARGUMENTS,
                                     RDU_SCHEDULE_ARGUMENT, RDU_SCHEDULE_EXECUTE, RDU_SCHEDULE_SKIP,
                                     RDU_SCHEDULE_NOTIFY, RDU_SCHEDULE_BREAK, RDU_SCHEDULE_END_LOOP,
                                     RDU_SCHEDULE_WAIT, RDU_SCHEDULE_END});
  CHECK(code[3].value == rdu_mem_address(x) + 64);
  CHECK(code[3].step == 128);
  CHECK(code[5].condition == RDU_IF_NE);
  CHECK(code[5].count == 1);
  CHECK(code[5].value == 0xffffffff);
  CHECK(code[7].condition == RDU_IF_LT);
  CHECK(code[9].address == rdu_mem_address(flag) + 60);
  const auto written = [&](uint64_t value) {
    return std::any_of(pairs.begin(), pairs.end(), [&](const auto& pair) { return pair.value == value; });
  };
  CHECK(written(rdu_mem_address(x) + 1024));
  CHECK_FALSE(written(rdu_mem_address(x) + 64));
  // Once more, and nothing more; then its last program is the one that is loaded.
  CHECK(rdu_schedule_run(s.queue, schedule, kMs) == RDU_OK);
  CHECK(runs == 2);
  CHECK(rdu_schedule_loop(schedule, 1) == RDU_ERROR_INVALID_ARGUMENT);
  CHECK_THAT(last(), Contains("it has been run"));
  const rdu_argument plain[] = {{"x", x, 64}, {"y", x, 1024}, {"rows", nullptr, 36}};
  CHECK(rdu_launch(s.queue, program, plain, 3, kMs) == RDU_OK);
  fake.on_schedule = [&](const rdu_sqe&, uint64_t* result) -> uint16_t {
    *result = 7;
    return RDU_STATUS_PROGRAM + 16;
  };
  CHECK(rdu_schedule_run(s.queue, schedule, kMs) != RDU_OK);
  CHECK_THAT(last(), Contains("instruction 7 of the schedule makes no sense"));
  CHECK(rdu_schedule_destroy(schedule) == RDU_OK);
  rdu_mem_free(x);
  rdu_mem_free(flag);
  rdu_program_destroy(program);
}

TEST_CASE("programs: checked, uploaded, loaded, launched with arguments by name") {
  FakeDevice fake;
  Session s(fake);
  const auto bytes = container();
  rdu_program* program = nullptr;
  REQUIRE(rdu_program_create(s.queue, bytes.data(), bytes.size(), kMs, &program) == RDU_OK);
  rdu_program_info info;
  REQUIRE(rdu_program_get_info(program, &info) == RDU_OK);
  CHECK(std::string(info.name) == "copy");
  CHECK(info.arguments == 3);
  rdu_argument_info argument;
  REQUIRE(rdu_program_get_argument(program, 2, &argument) == RDU_OK);
  CHECK(argument.multiple == 6);
  CHECK(rdu_program_get_argument(program, 3, &argument) == RDU_ERROR_INVALID_ARGUMENT);
  CHECK(std::string(rdu_program_get_property(program, "pipelines")) == "4");
  CHECK(rdu_program_get_property(program, "colour") == nullptr);

  rdu_memory* x = s.memory(RDU_TIER_HBM, 4096);
  const rdu_argument good[] = {{"x", x, 64}, {"y", x, 1024}, {"rows", nullptr, 36}};
  CHECK(rdu_launch(s.queue, program, good, 3, kMs) == RDU_ERROR_NOT_LOADED);
  CHECK(last() == "'copy' is not the program that was loaded into tile 0 last");

  std::vector<uint8_t> stream;
  fake.on_load = [&](const rdu_sqe& sqe, uint64_t* result) -> uint16_t {
    const uint8_t* p = fake.at(sqe.context, sqe.arg[0], sqe.arg[1]);
    if (p == nullptr) return RDU_STATUS_BAD_ARGUMENT;
    stream.assign(p, p + sqe.arg[1]);
    *result = 1234;
    return RDU_STATUS_OK;
  };
  rdu_event* event = nullptr;
  REQUIRE(rdu_program_load_async(s.queue, program, &event) == RDU_OK);
  CHECK(rdu_event_wait(event, kMs) == RDU_OK);
  rdu_event_info timing;
  CHECK(rdu_event_get_info(event, &timing) == RDU_OK);
  CHECK(timing.cycles == 1234);
  rdu_event_release(event);
  CHECK(stream == rdu::compiler::Program::parse(bytes.data(), bytes.size(), "test").config());

  std::vector<rdu_argument_tuple> tuples;
  fake.on_launch = [&](const rdu_sqe& sqe, uint64_t*) -> uint16_t {
    tuples.resize(sqe.arg[1]);
    const uint8_t* p = fake.at(sqe.context, sqe.arg[0], tuples.size() * sizeof tuples[0]);
    if (p == nullptr) return RDU_STATUS_BAD_ARGUMENT;
    std::memcpy(tuples.data(), p, tuples.size() * sizeof tuples[0]);
    return RDU_STATUS_OK;
  };
  REQUIRE(rdu_launch(s.queue, program, good, 3, kMs) == RDU_OK);
  const auto written = [&](uint64_t value) {
    return std::any_of(tuples.begin(), tuples.end(), [&](const auto& tuple) { return tuple.value == value; });
  };
  CHECK(written(rdu_mem_address(x) + 64));
  CHECK(written(rdu_mem_address(x) + 1024));
  CHECK(written(6));  // packets
  CHECK(rdu_launch_on_async(s.queue, program, 1, good, 3, nullptr) == RDU_ERROR_INVALID_ARGUMENT);
  CHECK(last() == "the device has no tile 1: it has 1");
  CHECK(rdu_program_load_on_async(s.queue, program, 1, nullptr) == RDU_ERROR_INVALID_ARGUMENT);
  for (int i = 0; i < 5000; ++i) REQUIRE(rdu_launch_async(s.queue, program, good, 3, nullptr) == RDU_OK);
  CHECK(rdu_queue_finish(s.queue, kMs) == RDU_OK);

  const auto refuse = [&](std::vector<rdu_argument> arguments, const char* why) {
    CHECK(rdu_launch(s.queue, program, arguments.data(), arguments.size(), kMs) ==
          RDU_ERROR_INVALID_ARGUMENT);
    CHECK_THAT(last(), Contains(why));
  };
  const rdu_argument in{"x", x, 64}, out{"y", x, 0}, rows{"rows", nullptr, 36};
  refuse({in, out}, "rows");
  refuse({in, out, rows, {"z", nullptr, 1}}, "z");
  refuse({in, in, out, rows}, "argument 'x' of 'copy' is given twice");
  refuse({in, out, {"rows", nullptr, 35}}, "rows");
  refuse({in, out, {"rows", nullptr, 0}}, "rows");
  refuse({{"x", x, 4096}, out, rows}, "offset 4096 of memory that has 4096 bytes");
  refuse({{nullptr, x, 0}}, "has no name");

  CHECK(rdu_context_destroy(s.context) == RDU_ERROR_IN_USE);
  rdu_mem_free(x);
  rdu_program_destroy(program);
  uint64_t free = 0;
  rdu_mem_available(s.context, RDU_TIER_HBM, &free, nullptr);
  CHECK(free == 1 << 16);
}

TEST_CASE("bad programs are refused before the device sees them") {
  FakeDevice fake;
  Session s(fake);
  rdu_program* program = nullptr;
  auto bytes = container();
  CHECK(rdu_program_create(s.queue, bytes.data(), bytes.size() / 2, kMs, &program) == RDU_ERROR_BAD_PROGRAM);
  CHECK(rdu_program_create(s.queue, "junk", 4, kMs, &program) == RDU_ERROR_BAD_PROGRAM);
  CHECK(rdu_program_create(s.queue, nullptr, 4, kMs, &program) == RDU_ERROR_INVALID_ARGUMENT);
  bytes = container(8);
  CHECK(rdu_program_create(s.queue, bytes.data(), bytes.size(), kMs, &program) == RDU_ERROR_BAD_PROGRAM);
  CHECK(last() == "'copy' was made for a tile of 8 x 6 units, the device's tiles have 6 x 6");
}

TEST_CASE("failures of the device come as results with its reason") {
  FakeDevice fake;
  Session s(fake);
  const auto bytes = container();
  rdu_program* program = nullptr;
  REQUIRE(rdu_program_create(s.queue, bytes.data(), bytes.size(), kMs, &program) == RDU_OK);
  uint16_t status = 0;
  uint64_t value = 0;
  fake.on_load = [&](const rdu_sqe&, uint64_t* result) {
    *result = value;
    return status;
  };
  const auto outcome = [&](uint32_t code, uint64_t result) {
    status = static_cast<uint16_t>(RDU_STATUS_PROGRAM + code);
    value = result;
    return rdu_program_load(s.queue, program, kMs);
  };
  CHECK(outcome(RDU_SEQUENCER_FAULT_CODE_SEGMENT, RDU_VA(RDU_SEGMENT_HBM, 0x20000)) == RDU_ERROR_GUEST_FAULT);
  CHECK(last() == "guest fault: the program load accessed HBM offset 0x20000, outside the context's memory");
  CHECK(outcome(RDU_SEQUENCER_FAULT_CODE_BAD_CRC, 0) == RDU_ERROR_BAD_PROGRAM);
  CHECK(last() == "the program load failed: the configuration stream is damaged (checksum)");
  CHECK(outcome(RDU_SEQUENCER_FAULT_CODE_NO_PROGRAM, 0) == RDU_ERROR_NOT_LOADED);
  CHECK(outcome(RDU_SEQUENCER_FAULT_CODE_ABORTED, 0) == RDU_ERROR_ABORTED);
  CHECK(outcome(0x60, 0) == RDU_ERROR_PROTOCOL);

  // Nobody took the event, and yet the failure is not lost: the first one is told, once.
  outcome(RDU_SEQUENCER_FAULT_CODE_HUNG, RDU_UNIT(RDU_UNIT_AGCU, 2, 0));
  CHECK(rdu_program_load_async(s.queue, program, nullptr) == RDU_OK);
  status = RDU_STATUS_OK;
  CHECK(rdu_nop_async(s.queue, nullptr) == RDU_OK);
  CHECK(rdu_queue_finish(s.queue, kMs) == RDU_ERROR_GUEST_FAULT);
  CHECK(last() == "guest fault: the kernel hung: no unit can go on (unit agcu[2][west])");
  CHECK(rdu_queue_finish(s.queue, kMs) == RDU_OK);
  rdu_program_destroy(program);
}

TEST_CASE("time-outs, and what outlives its queue") {
  FakeDevice fake;
  Session s(fake);
  fake.hold(true);
  rdu_event* done = nullptr;
  rdu_event* waiting = nullptr;
  REQUIRE(rdu_nop_async(s.queue, &done) == RDU_OK);
  CHECK(rdu_event_wait(done, 10) == RDU_ERROR_TIMEOUT);
  CHECK(last() == "the no-operation did not complete within 10 ms");
  rdu_event_info info;
  CHECK(rdu_event_get_info(done, &info) == RDU_ERROR_TIMEOUT);
  CHECK(rdu_queue_finish(s.queue, 10) == RDU_ERROR_TIMEOUT);
  fake.hold(false);
  CHECK(rdu_queue_begin_batch(s.queue) == RDU_OK);
  REQUIRE(rdu_nop_async(s.queue, &waiting) == RDU_OK);
  CHECK(rdu_event_wait(waiting, 0) == RDU_ERROR_TIMEOUT);
  CHECK(rdu_queue_destroy(s.queue) == RDU_OK);
  s.queue = nullptr;
  CHECK(rdu_event_wait(done, 0) == RDU_OK);
  CHECK(rdu_event_wait(waiting, kMs) == RDU_ERROR_ABORTED);
  rdu_event_release(done);
  rdu_event_release(waiting);
}

TEST_CASE("a lost device ends every wait, and everything can be destroyed") {
  FakeDevice fake;
  Session s(fake);
  rdu_memory* memory = s.memory(RDU_TIER_HOST, 100);
  fake.hold(true);
  rdu_event* event = nullptr;
  REQUIRE(rdu_nop_async(s.queue, &event) == RDU_OK);
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
    fake.lose();
  });
  CHECK(rdu_event_wait(event, 60000) == RDU_ERROR_DEVICE_LOST);
  later.join();
  uint64_t ns;
  CHECK(rdu_device_time(s.device, &ns) == RDU_ERROR_DEVICE_LOST);
  CHECK(rdu_nop_async(s.queue, nullptr) == RDU_ERROR_DEVICE_LOST);
  rdu_event_release(event);
  CHECK(rdu_mem_free(memory) == RDU_OK);
  CHECK(rdu_queue_destroy(s.queue) == RDU_OK);
  s.queue = nullptr;
  CHECK(rdu_context_destroy(s.context) == RDU_OK);
  s.context = nullptr;
}

TEST_CASE("closing a device that is in use leaves handles that can only be destroyed") {
  FakeDevice fake;
  Session s(fake, Milliseconds{200});
  rdu_memory* hbm = s.memory(RDU_TIER_HBM, 100);
  rdu_memory* host = s.memory(RDU_TIER_HOST, 100);
  const auto bytes = container();
  rdu_program* program = nullptr;
  REQUIRE(rdu_program_create(s.queue, bytes.data(), bytes.size(), kMs, &program) == RDU_OK);
  fake.hold(true);
  rdu_event* event = nullptr;
  REQUIRE(rdu_nop_async(s.queue, &event) == RDU_OK);
  CHECK(rdu_close(s.device) == RDU_OK);
  s.device = nullptr;
  CHECK(fake.mapped_windows() == 0);
  CHECK(rdu_event_wait(event, kMs) == RDU_ERROR_DEVICE_LOST);
  CHECK(rdu_nop_async(s.queue, nullptr) == RDU_ERROR_DEVICE_LOST);
  CHECK(last() == "the device was closed");
  CHECK(rdu_mem_pointer(host) == nullptr);
  rdu_event_release(event);
  CHECK(rdu_program_destroy(program) == RDU_OK);
  CHECK(rdu_mem_free(hbm) == RDU_OK);
  CHECK(rdu_mem_free(host) == RDU_OK);
}

TEST_CASE("a firmware that stops answering") {
  FakeDevice fake;
  Session s(fake, std::chrono::milliseconds{100});
  fake.hold(true);
  rdu_context* context = nullptr;
  CHECK(rdu_context_create(s.device, 0, 0, &context) == RDU_ERROR_FIRMWARE);
  CHECK(last() == "the firmware did not answer CREATE_CONTEXT within 100 ms");
}
