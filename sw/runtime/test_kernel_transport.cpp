// librdu over a fake of the kernel driver: addresses, what each context opens and gives back, memory objects,
// pinning, mapping, and what the driver's errors become.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "driver/linux/rdu_ioctl.h"
#include "rdu.hpp"
#include "runtime/address.h"
#include "runtime/test/session.h"

using Catch::Matchers::Contains;
using namespace rdu::runtime;
using rdu::user::FakeDevice;

namespace {

struct Machine {
  FakeDevice fake;
  FakeKernel kernel{fake};
};

}  // namespace

TEST_CASE("addresses choose the way to the device") {
  using Kind = Address::Kind;
  const auto check = [](const char* text, Kind kind, const char* path) {
    const Address address = parse_address(text);
    CHECK(address.kind == kind);
    CHECK(address.path == path);
  };
  check("rdu0", Kind::kNode, "/dev/rdu0");
  check("/dev/rdu12", Kind::kNode, "/dev/rdu12");
  check("unix:/tmp/rdu0", Kind::kSocket, "/tmp/rdu0");
  check("/tmp/rdu.sock", Kind::kSocket, "/tmp/rdu.sock");
  check("./rdu0", Kind::kSocket, "./rdu0");
  check("/dev/zero", Kind::kNode, "/dev/zero");  // some other character device: the driver's magic will tell
  for (const char* bad : {"", "unix:", "pci:0000:01:00.0", "tcp:localhost:1"})
    CHECK_THROWS_WITH(parse_address(bad), Contains("is no device address; expected /dev/rduN"));
}

TEST_CASE("devices are found by number, the one that would be opened first") {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("rdu-nodes-" + std::to_string(::getpid()));
  fs::create_directory(folder);
  for (const char* name : {"rdu10", "rdu2", "rduX", "rdu", "null"}) std::ofstream(folder / name);
  const std::string two = (folder / "rdu2").string(), ten = (folder / "rdu10").string();
  ::unsetenv("RDU_DEVICE");
  CHECK(nodes(folder.string()) == std::vector<std::string>{two, ten});
  CHECK(default_address(folder.string()) == two);
  CHECK(default_address("/nonexistent") == RDU_DEFAULT_ADDRESS);
  ::setenv("RDU_DEVICE", ten.c_str(), 1);
  CHECK(default_address(folder.string()) == ten);
  CHECK(list_addresses(folder.string())[0] == ten);
  CHECK(list_addresses(folder.string())[1] == two);
  ::setenv("RDU_DEVICE", "unix:/nonexistent/socket", 1);
  CHECK(list_addresses(folder.string())[0] == two);
  ::setenv("RDU_DEVICE", "nonsense:", 1);
  size_t count = 0;
  CHECK(rdu_device_count(&count) == RDU_ERROR_INVALID_ARGUMENT);
  ::unsetenv("RDU_DEVICE");
  CHECK(rdu_device_count(&count) == RDU_OK);
  CHECK(rdu_device_list(nullptr, 1, &count) == RDU_ERROR_INVALID_ARGUMENT);
  fs::remove_all(folder);
}

TEST_CASE("nodes that cannot be opened") {
  rdu_device* device = nullptr;
  CHECK(rdu_open("/dev/rdu987", 100, &device) == RDU_ERROR_NO_DEVICE);
  CHECK_THAT(last(), Contains("there is no /dev/rdu987: is the kernel driver loaded"));
  CHECK(rdu_open("/dev/zero", 100, &device) == RDU_ERROR_INCOMPATIBLE);
  CHECK_THAT(last(), Contains("no node of the RDU driver"));
}

TEST_CASE("each context is a file, and everything is given back") {
  Machine m;
  {
    Session s(m.kernel);
    CHECK(m.kernel.open_files() == 2);
    rdu_context* other = nullptr;
    REQUIRE(rdu_context_create(s.device, 0, 0, &other) == RDU_OK);
    CHECK(m.kernel.open_files() == 3);
    rdu_memory* hbm = s.memory(RDU_TIER_HBM, 1000);
    rdu_memory* host = s.memory(RDU_TIER_HOST, 5000);
    CHECK(m.kernel.objects() == 3);  // two segments, and this one
    CHECK(rdu_mem_address(hbm) == RDU_VA(RDU_SEGMENT_HBM, 0));
    CHECK(rdu_mem_address(host) >> RDU_SEGMENT_SHIFT == RDU_SEGMENT_HOST);
    CHECK(static_cast<uint8_t*>(rdu_mem_pointer(host))[4999] == 0);
    uint64_t bytes = 0;
    CHECK(rdu_mem_available(s.context, RDU_TIER_HBM, &bytes, nullptr) == RDU_OK);
    CHECK(bytes == (1 << 16) - 1024);
    rdu_memory* none = nullptr;
    CHECK(rdu_mem_alloc(s.context, RDU_TIER_HBM, 1 << 16, &none) == RDU_ERROR_NO_MEMORY);
    CHECK(last() == "the context's HBM has no room for 65536 bytes: 64512 are free, 64512 in one piece");
    CHECK(rdu_context_destroy(other) == RDU_OK);
    CHECK(m.kernel.open_files() == 2);
    rdu_mem_free(hbm);
    rdu_mem_free(host);
    CHECK(m.kernel.objects() == 2);
  }
  CHECK(m.kernel.objects() == 0);
  CHECK(m.kernel.open_files() == 0);
  CHECK(m.fake.live_contexts() == 0);
  CHECK(m.fake.live_queues() == 1);  // the kernel's own
}

TEST_CASE("limits of the device") {
  Machine m;
  Session s(m.kernel);
  rdu_context* context = nullptr;
  CHECK(rdu_context_create(s.device, 1 << 30, 0, &context) == RDU_ERROR_NO_MEMORY);
  CHECK_THAT(last(), Contains("the device has not 1073741824 bytes of HBM"));
  std::vector<rdu_context*> more(3);
  for (auto& c : more) REQUIRE(rdu_context_create(s.device, 0, 0, &c) == RDU_OK);
  CHECK(rdu_context_create(s.device, 0, 0, &context) == RDU_ERROR_NO_RESOURCE);
  CHECK(last() == "all contexts of the device are in use");
  for (auto& c : more) rdu_context_destroy(c);
  std::vector<rdu_queue*> queues(14);
  for (auto& q : queues) REQUIRE(rdu_queue_create(s.context, 2, &q) == RDU_OK);
  rdu_queue* queue = nullptr;
  CHECK(rdu_queue_create(s.context, 2, &queue) == RDU_ERROR_NO_RESOURCE);
  CHECK(last() == "all queues of the device are in use");
  for (auto& q : queues) rdu_queue_destroy(q);
}

TEST_CASE("commands in thousands through a small queue, one by one and in batches") {
  Machine m;
  Session s(m.kernel);
  for (int i = 0; i < 1000; ++i) REQUIRE(rdu_nop_async(s.queue, nullptr) == RDU_OK);
  REQUIRE(rdu_queue_finish(s.queue, kMs) == RDU_OK);
  for (int round = 0; round < 50; ++round) {
    rdu_event* event = nullptr;
    REQUIRE(rdu_queue_begin_batch(s.queue) == RDU_OK);
    for (int i = 0; i < 5; ++i) REQUIRE(rdu_nop_async(s.queue, nullptr) == RDU_OK);
    REQUIRE(rdu_nop_async(s.queue, &event) == RDU_OK);
    REQUIRE(rdu_queue_end_batch(s.queue) == RDU_OK);
    REQUIRE(rdu_event_wait(event, kMs) == RDU_OK);
    rdu_event_release(event);
  }
}

TEST_CASE("ordinary memory is pinned for the time of a copy") {
  Machine m;
  Session s(m.kernel);
  rdu_memory* hbm = s.memory(RDU_TIER_HBM, 10000);
  std::vector<uint8_t> from(10000), to(10000);
  for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<uint8_t>(i * 31);
  CHECK(rdu_upload(s.queue, hbm, 0, from.data() + 1, 9999, kMs) == RDU_OK);
  CHECK(rdu_download(s.queue, to.data() + 1, hbm, 0, 9999, kMs) == RDU_OK);
  CHECK(std::memcmp(from.data() + 1, to.data() + 1, 9999) == 0);
  CHECK(m.kernel.objects() == 2);

  // While it is under way, it stays pinned.
  m.fake.hold(true);
  rdu_event* event = nullptr;
  CHECK(rdu_upload_async(s.queue, hbm, 0, from.data(), 100, &event) == RDU_OK);
  CHECK(m.kernel.objects() == 3);
  m.fake.hold(false);
  CHECK(rdu_event_wait(event, kMs) == RDU_OK);
  rdu_event_release(event);
  CHECK(m.kernel.objects() == 2);

  // What the process must not write is staged.
  m.kernel.on_control = [](unsigned long request) { return request == RDU_IOC_MEMORY ? EFAULT : 0; };
  int allowed = 1;
  m.kernel.on_control = [&](unsigned long request) {
    return request == RDU_IOC_MEMORY && allowed-- > 0 ? EFAULT : 0;
  };
  CHECK(rdu_upload(s.queue, hbm, 0, from.data(), 100, kMs) == RDU_OK);
  m.kernel.on_control = {};
  CHECK(rdu_upload(s.queue, hbm, 9999, from.data(), 2, kMs) == RDU_ERROR_INVALID_ARGUMENT);
  CHECK(last() == "the copy's destination is 2 bytes at offset 9999 of memory that has 10000");
  CHECK(rdu_download(s.queue, nullptr, hbm, 0, 2, kMs) == RDU_ERROR_INVALID_ARGUMENT);
  CHECK(rdu_upload(s.queue, hbm, 0, from.data(), 0, kMs) == RDU_OK);
  rdu_mem_free(hbm);
}

TEST_CASE("memory of the device is mapped while there are windows") {
  Machine m;
  Session s(m.kernel);
  rdu_memory* a = s.memory(RDU_TIER_HBM, 4096);
  rdu_memory* b = s.memory(RDU_TIER_DDR, 4096);
  rdu_memory* c = s.memory(RDU_TIER_HBM, 4096);
  CHECK(rdu_mem_pointer(a) == nullptr);
  void* pointer = nullptr;
  REQUIRE(rdu_mem_map(a, &pointer) == RDU_OK);
  CHECK(rdu_mem_pointer(a) == pointer);
  std::memcpy(pointer, "hello", 6);
  char text[6] = {};
  CHECK(rdu_download(s.queue, text, a, 0, 6, kMs) == RDU_OK);
  CHECK(std::string(text) == "hello");
  REQUIRE(rdu_mem_map(b, &pointer) == RDU_OK);
  CHECK(rdu_mem_map(c, &pointer) == RDU_ERROR_NO_RESOURCE);
  CHECK_THAT(last(), Contains("no window onto the device's memory is free"));
  CHECK(rdu_mem_unmap(a) == RDU_OK);
  CHECK(rdu_mem_unmap(a) == RDU_OK);
  CHECK(rdu_mem_pointer(a) == nullptr);
  CHECK(rdu_mem_map(c, &pointer) == RDU_OK);
  for (rdu_memory* memory : {a, b, c}) rdu_mem_free(memory);
  CHECK(m.kernel.mapped() == 0);
  rdu_memory* host = s.memory(RDU_TIER_HOST, 10);
  CHECK(rdu_mem_map(host, &pointer) == RDU_OK);
  CHECK(pointer == rdu_mem_pointer(host));
  CHECK(rdu_mem_unmap(host) == RDU_OK);
  CHECK(rdu_mem_pointer(host) == pointer);
  rdu_mem_free(host);
}

TEST_CASE("a reset takes the contexts, and the device can be opened again") {
  Machine m;
  Session s(m.kernel);
  m.kernel.reset();
  CHECK(rdu_nop_async(s.queue, nullptr) == RDU_ERROR_DEVICE_LOST);
  CHECK_THAT(last(), Contains("the device was reset, and the context with it; close it and open it again"));
  CHECK(rdu_queue_destroy(s.queue) == RDU_OK);
  CHECK(rdu_context_destroy(s.context) == RDU_OK);
  REQUIRE(rdu_context_create(s.device, 0, 0, &s.context) == RDU_OK);
  REQUIRE(rdu_queue_create(s.context, 2, &s.queue) == RDU_OK);
  CHECK(rdu_nop_async(s.queue, nullptr) == RDU_OK);
  CHECK(rdu_queue_finish(s.queue, kMs) == RDU_OK);
}

TEST_CASE("a device that is unplugged ends every wait") {
  Machine m;
  Session s(m.kernel);
  m.fake.hold(true);
  rdu_event* event = nullptr;
  REQUIRE(rdu_nop_async(s.queue, &event) == RDU_OK);
  std::thread later([&] {
    std::this_thread::sleep_for(Milliseconds{20});
    m.fake.lose();
  });
  CHECK(rdu_event_wait(event, 60000) == RDU_ERROR_DEVICE_LOST);
  later.join();
  uint64_t ns;
  CHECK(rdu_device_time(s.device, &ns) == RDU_ERROR_DEVICE_LOST);
  rdu_event_release(event);
}

TEST_CASE("what the driver refuses has a result of its own") {
  Machine m;
  Session s(m.kernel);
  const auto with = [&](int error) {
    m.kernel.on_control = [error](unsigned long) { return error; };
    uint64_t ns;
    const rdu_result result = rdu_device_time(s.device, &ns);
    m.kernel.on_control = {};
    return result;
  };
  CHECK(with(EPERM) == RDU_ERROR_PERMISSION);
  CHECK(with(EOPNOTSUPP) == RDU_ERROR_UNSUPPORTED);
  CHECK(with(ENODEV) == RDU_ERROR_DEVICE_LOST);
  CHECK(with(EIO) == RDU_ERROR_DEVICE_LOST);
  CHECK(with(ENOMEM) == RDU_ERROR_NO_MEMORY);
  CHECK(with(EINVAL) == RDU_ERROR_INTERNAL);
  size_t bytes = 0;
  CHECK(rdu_read_log(s.device, nullptr, 0, &bytes) == RDU_OK);
  CHECK(bytes == m.fake.log_text.size());
  rdu_health health;
  CHECK(rdu_read_health(s.device, &health) == RDU_ERROR_REJECTED);  // the fake has no such page
}
