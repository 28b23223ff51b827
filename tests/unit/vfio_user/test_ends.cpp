// The two ends of vfio-user, each written against the specification alone, talk to each other.
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cstring>
#include <numeric>

#include "pcie/vfio_user/test_device.h"
#include "test/catch.h"
#include "user/vfio_user_client.h"

namespace server = rdu::pcie::vfio_user;
using namespace rdu::user;
using rdu::pcie::vfio_user::test::Bench;
using rdu::pcie::vfio_user::test::eventually;
using rdu::pcie::vfio_user::test::FakeDevice;
using rdu::pcie::vfio_user::test::open_fds;
using rdu::pcie::vfio_user::test::TemporaryFolder;
using std::chrono::milliseconds;

namespace {

ClientOptions quick() {
  ClientOptions options;
  options.connect_timeout = milliseconds(5000);
  options.request_timeout = milliseconds(5000);
  return options;
}

// Has the device copy host memory, and returns what it says: 0 or an errno value.
uint64_t copy(VfioUserClient& client, uint64_t source, uint64_t target, uint64_t length) {
  client.write<uint64_t>(kBar0, FakeDevice::kSource, source);
  client.write<uint64_t>(kBar0, FakeDevice::kTarget, target);
  client.write<uint64_t>(kBar0, FakeDevice::kLength, length);
  client.write<uint32_t>(kBar0, FakeDevice::kCopy, 1);
  return client.read<uint64_t>(kBar0, FakeDevice::kResult);
}

int error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const ProtocolError& error) {
    return error.error_number();
  }
  return 0;
}

}  // namespace

TEST_CASE("vfio-user ends: information") {
  TemporaryFolder folder;
  Bench bench(folder.socket());
  bench.start();
  VfioUserClient client(folder.socket(), quick());

  const DeviceInfo device = client.device_info();
  CHECK(device.is_pci);
  CHECK(device.resettable);
  CHECK(device.num_regions == 9);
  CHECK(device.num_irqs == 5);

  const RegionInfo bar0 = client.region_info(kBar0);
  CHECK(bar0.size == 4096);
  CHECK((bar0.readable && bar0.writable && !bar0.mappable));
  CHECK(bar0.areas.empty());
  const RegionInfo bar2 = client.region_info(kBar2);
  CHECK(bar2.mappable);
  REQUIRE(bar2.areas.size() == 2);
  CHECK(bar2.areas[1].offset == 8192);
  CHECK(bar2.areas[1].size == 8192);
  CHECK(client.region_info(4).size == 0);
  CHECK(error_of([&] { client.region_info(9); }) == EINVAL);

  const IrqInfo msix = client.irq_info(kMsix);
  CHECK(msix.count == 4);
  CHECK((msix.eventfd && msix.maskable && msix.no_resize && !msix.automasked));
  CHECK(client.irq_info(kMsi).count == 0);
}

TEST_CASE("vfio-user ends: regions") {
  TemporaryFolder folder;
  server::Options options;
  options.max_data_transfer = 1024;  // so that a transfer takes several messages
  Bench bench(folder.socket(), options, GENERATE(Bench::Style::kWaiting, Bench::Style::kPolling));
  bench.start();
  VfioUserClient client(folder.socket(), quick());

  client.write<uint32_t>(kBar0, 4, 0x12345678);
  CHECK(client.read<uint32_t>(kBar0, 4) == 0x12345678);
  CHECK(client.read<uint8_t>(kBar0, 7) == 0x12);
  CHECK(client.read<uint16_t>(kConfigSpace, 0x10) == 0x1110);

  std::vector<uint8_t> data(3000), back(3000);
  std::iota(data.begin(), data.end(), 0);
  client.region_write(kBar0, 8, data.data(), data.size());
  client.region_read(kBar0, 8, back.data(), back.size());
  CHECK(back == data);

  for (uint32_t i = 0; i < 900; ++i) client.write<uint32_t>(kBar0, 4 * i, i, true);
  for (uint32_t i = 0; i < 900; i += 100) CHECK(client.read<uint32_t>(kBar0, 4 * i) == i);

  CHECK(error_of([&] { client.read<uint32_t>(kBar0, 4094); }) == EINVAL);
  CHECK(error_of([&] { client.write<uint32_t>(kConfigSpace, 0, 1); }) == EACCES);
  CHECK(error_of([&] { client.read<uint32_t>(kBar0, FakeDevice::kBroken); }) == EIO);
  try {
    client.read<uint32_t>(kBar0, FakeDevice::kBroken);
  } catch (const ProtocolError& error) {
    CHECK(std::string(error.what()) ==
          "the device refused REGION_READ: Input/output error (region 0, offset 0xf80, 4 bytes)");
  }

  auto windows = client.map_region(kBar2);
  REQUIRE(windows.size() == 2);
  CHECK(windows[0].offset() == 4096);
  windows[0].data()[3] = 42;
  CHECK(client.read<uint8_t>(kBar2, 4096 + 3) == 42);
  CHECK(client.map_region(kBar0).empty());

  client.reset();
  CHECK(client.read<uint32_t>(kBar0, 400) == 0);
  CHECK(bench.device().resets == 1);
}

TEST_CASE("vfio-user ends: the device reaches host memory") {
  const size_t fds_before = open_fds();
  {
    TemporaryFolder folder;
    Bench bench(folder.socket(), {}, GENERATE(Bench::Style::kWaiting, Bench::Style::kPolling));
    bench.start();
    VfioUserClient client(folder.socket(), quick());
    HostMemory memory = HostMemory::allocate(3 * 4096 - 5);
    CHECK(memory.size() == 3 * 4096);
    std::iota(memory.data(), memory.data() + 4096, 1);

    SECTION("through its file") {
      client.dma_map(memory, 0x100000);
      CHECK(copy(client, 0x100000, 0x101000, 4096) == 0);
      CHECK(std::memcmp(memory.data(), memory.data() + 4096, 4096) == 0);
      CHECK(copy(client, 0x100000, 0x102ff8, 16) == EFAULT);  // over the end: nothing is written
      CHECK(memory.data()[0x2fff] == 0);
      CHECK(copy(client, 0x102ff8, 0x100000, 16) == EFAULT);
      CHECK(copy(client, 0xfffff, 0x100000, 16) == EFAULT);
      CHECK(copy(client, 0, 0x100000, 16) == EFAULT);
      CHECK(error_of([&] { client.dma_map(memory, 0x102000); }) == EEXIST);
      CHECK(error_of([&] { client.dma_unmap(0x100000, 4096); }) == ENOENT);
      client.dma_unmap(0x100000, memory.size());
      CHECK(copy(client, 0x100000, 0x101000, 16) == EFAULT);
      CHECK_THROWS_AS(client.dma_map(memory, 0x100001), std::invalid_argument);
    }
    SECTION("by message") {
      std::vector<uint8_t> large(2u << 20);
      std::iota(large.begin(), large.end(), 0);
      HostMemory target = HostMemory::allocate(large.size());
      client.dma_map_by_message(large.data(), large.size(), 0x1000000, false);
      client.dma_map_by_message(target.data(), target.size(), 0x2000000);
      CHECK(copy(client, 0x1000000, 0x2000000, large.size()) == 0);  // more than one message can carry
      CHECK(std::memcmp(large.data(), target.data(), large.size()) == 0);
      CHECK(copy(client, 0x2000000, 0x1000000, 16) == EFAULT);  // read-only
    }
    SECTION("through windows that adjoin, of either kind") {
      std::vector<uint8_t> tail(4096, 7);
      client.dma_map(memory, 0x10000);
      client.dma_map_by_message(tail.data(), tail.size(), 0x13000);
      CHECK(copy(client, 0x12800, 0x10000, 4096) == 0);
      CHECK(memory.data()[2047] == 0);
      CHECK(memory.data()[2048] == 7);
      client.dma_unmap_all();
      bench.simulate([&] { CHECK(bench.server().dma().windows() == 0); });
      CHECK(bench.device().unmaps == 2);
    }
    SECTION("only as far as the rights go") {
      client.dma_map(memory, 0x10000, false);
      HostMemory other = HostMemory::allocate(4096);
      client.dma_map(other, 0x20000);
      CHECK(copy(client, 0x10000, 0x20000, 64) == 0);
      CHECK(copy(client, 0x20000, 0x10000, 64) == EFAULT);
      bench.simulate([&] {
        const server::DmaMap& dma = bench.server().dma();
        CHECK(dma.translate(0x10000, 64, false) != nullptr);
        CHECK(dma.translate(0x10000, 64, true) == nullptr);
        CHECK(dma.translate(0x20000, 4097, false) == nullptr);
      });
    }
    SECTION("a file that was shortened meanwhile") {
      const int fd = ::memfd_create("unsealed", MFD_CLOEXEC);
      REQUIRE(::ftruncate(fd, 8192) == 0);
      server::DmaMap map({}, 4);
      REQUIRE(map.map(0, 8192, true, true, server::UniqueFd(::dup(fd)), 0) == 0);
      uint8_t byte = 1;
      CHECK(map.write(5000, &byte, 1) == 0);
      REQUIRE(::ftruncate(fd, 4096) == 0);
      CHECK(map.write(5000, &byte, 1) == EFAULT);
      CHECK(map.translate(5000, 1, false) == nullptr);
      CHECK(map.write(0, &byte, 1) == 0);
      ::close(fd);
    }
  }
  CHECK(open_fds() == fds_before);
}

TEST_CASE("vfio-user ends: pages that a transfer holds outlive the client") {
  TemporaryFolder folder;
  Bench bench(folder.socket());
  bench.start();
  std::shared_ptr<const server::Mapping> held;
  {
    VfioUserClient client(folder.socket(), quick());
    HostMemory memory = HostMemory::allocate(4096);
    memory.data()[7] = 99;
    client.dma_map(memory, 0x1000);
    bench.simulate([&] { held = bench.server().dma().find(0x1abc); });
    REQUIRE(held);
  }
  REQUIRE(eventually([&] { return bench.device().disconnects == 1; }));
  CHECK(held->host()[7] == 99);
  held->host()[8] = 1;
}

TEST_CASE("vfio-user ends: interrupts") {
  TemporaryFolder folder;
  Bench bench(folder.socket(), {}, GENERATE(Bench::Style::kWaiting, Bench::Style::kPolling));
  bench.start();
  VfioUserClient client(folder.socket(), quick());
  HostMemory memory = HostMemory::allocate(4096);
  client.dma_map(memory, 0);
  client.enable_irqs(kMsix, 0, 4);

  CHECK(client.wait_irq(kMsix, 0, milliseconds(5)) == 0);
  CHECK(copy(client, 0, 2048, 16) == 0);
  CHECK(client.wait_irq(kMsix, 0, milliseconds(5000)) == 1);
  copy(client, 0, 2048, 16);
  copy(client, 0, 2048, 16);
  CHECK(client.wait_irq(kMsix, 0, milliseconds(5000)) == 2);

  client.trigger_irq(kMsix, 3);
  CHECK(client.wait_irq(kMsix, 3, milliseconds(5000)) == 1);

  client.mask_irq(kMsix, 0);
  copy(client, 0, 2048, 16);
  CHECK(client.wait_irq(kMsix, 0, milliseconds(5)) == 0);
  client.unmask_irq(kMsix, 0);
  CHECK(client.wait_irq(kMsix, 0, milliseconds(5000)) == 1);

  client.enable_irqs(kIntx, 0, 1);
  client.trigger_irq(kIntx, 0);
  client.trigger_irq(kIntx, 0);  // the first has masked it
  CHECK(client.wait_irq(kIntx, 0, milliseconds(5000)) == 1);
  client.unmask_irq(kIntx, 0);
  CHECK(client.wait_irq(kIntx, 0, milliseconds(5000)) == 1);

  CHECK(error_of([&] { client.enable_irqs(kMsix, 3, 2); }) == EINVAL);
  client.disable_irqs(kMsix);
  CHECK_THROWS_AS(client.wait_irq(kMsix, 0, milliseconds(1)), std::invalid_argument);
  CHECK_THROWS_AS(client.irq_fd(kMsix, 0), std::invalid_argument);

  SECTION("one thread sleeps while another works") {
    client.enable_irqs(kMsix, 0, 1);
    std::thread worker([&] {
      for (int i = 0; i < 50; ++i) client.read<uint32_t>(kBar0, 0);
      copy(client, 0, 2048, 16);
    });
    CHECK(client.wait_irq(kMsix, 0, milliseconds(5000)) == 1);
    worker.join();
  }
}

TEST_CASE("vfio-user ends: they find each other, or say why not") {
  TemporaryFolder folder;
  ClientOptions options = quick();
  options.report_every = milliseconds(20);
  std::string told;
  options.log = [&](const std::string& line) { told += line + "\n"; };

  SECTION("the socket appears later") {
    Bench bench(folder.socket());
    std::thread late([&] {
      std::this_thread::sleep_for(milliseconds(80));
      bench.start();
    });
    VfioUserClient client(folder.socket(), options);
    late.join();
    CHECK(client.device_info().is_pci);
    CHECK(told.find("waiting for the device's socket " + folder.socket() +
                    ": it does not exist yet (0 s of 5 s)") != std::string::npos);
  }
  SECTION("it never appears") {
    options.connect_timeout = milliseconds(60);
    CHECK_THROWS_AS(VfioUserClient(folder.socket(), options), Timeout);
  }
  SECTION("another client has the device") {
    Bench bench(folder.socket());
    bench.start();
    auto first = std::make_unique<VfioUserClient>(folder.socket(), quick());
    ClientOptions impatient = options;
    impatient.connect_timeout = milliseconds(60);
    CHECK_THROWS_AS(VfioUserClient(folder.socket(), impatient), Timeout);
    std::thread leaving([&] {
      std::this_thread::sleep_for(milliseconds(150));
      first.reset();
    });
    VfioUserClient second(folder.socket(), options);
    leaving.join();
    CHECK(second.device_info().is_pci);
    CHECK(told.find("another process may have it") != std::string::npos);
  }
  SECTION("a path that cannot be") {
    CHECK_THROWS_AS(VfioUserClient(std::string(200, 'x'), options), VfioUserError);
  }
}

TEST_CASE("vfio-user ends: a simulator that stops or dies is noticed at once") {
  TemporaryFolder folder;
  auto bench = std::make_unique<Bench>(folder.socket());
  bench->start();
  VfioUserClient client(folder.socket(), quick());
  client.enable_irqs(kMsix, 0, 1);
  std::thread killer([&] {
    std::this_thread::sleep_for(milliseconds(30));
    bench.reset();
  });
  const auto begun = std::chrono::steady_clock::now();
  CHECK_THROWS_AS(client.wait_irq(kMsix, 0, milliseconds(60000)), DeviceLost);
  CHECK(std::chrono::steady_clock::now() - begun < milliseconds(5000));
  killer.join();
  CHECK_THROWS_AS(client.read<uint32_t>(kBar0, 0), DeviceLost);
  CHECK_THROWS_AS(client.check(), DeviceLost);
}

TEST_CASE("vfio-user ends: a simulator that does not answer") {
  FakeDevice device;
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  server::Server served("", device);
  served.start(server::UniqueFd(ends[0]));
  ClientOptions options = quick();
  options.request_timeout = milliseconds(30);
  VfioUserClient client(ends[1], options);
  CHECK(client.device_info().is_pci);                            // needs no simulation
  CHECK_THROWS_AS(client.read<uint32_t>(kBar0, 0), Timeout);     // does
  CHECK_THROWS_AS(client.read<uint32_t>(kBar0, 0), DeviceLost);  // its reply could be taken for this one's
}

TEST_CASE("vfio-user ends: a client that is killed in the middle is cleaned up after") {
  TemporaryFolder folder;
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      VfioUserClient client(folder.socket(), quick());
      HostMemory memory = HostMemory::allocate(1u << 20);
      client.dma_map(memory, 0x100000);
      client.enable_irqs(kMsix, 0, 4);
      client.write<uint32_t>(kBar0, 0, 1);
      while (true) client.read<uint32_t>(kBar0, 0);
    } catch (...) {
      ::_exit(1);
    }
  }
  const size_t fds_before = open_fds();
  {
    Bench bench(folder.socket());
    bench.start();
    REQUIRE(eventually([&] { return bench.device().accesses > 1000; }));
    ::kill(child, SIGKILL);
    REQUIRE(eventually([&] { return bench.device().disconnects == 1; }));
    REQUIRE(eventually([&] { return !bench.server().connected(); }));
    CHECK(bench.log().find("is gone") != std::string::npos);
    VfioUserClient next(folder.socket(), quick());
    CHECK(next.read<uint32_t>(kBar0, 0) == 1);  // the device itself goes on
    bench.simulate([&] { CHECK(bench.server().dma().windows() == 0); });
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFSIGNALED(status));
  CHECK(open_fds() == fds_before);
}
