// The server against raw bytes: every kind of malformed and out-of-order message, and a few thousand random
// ones.
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>

#include "pcie/vfio_user/protocol.h"
#include "pcie/vfio_user/test_device.h"
#include "test/catch.h"

using namespace rdu::pcie::vfio_user;
using namespace rdu::pcie::vfio_user::test;
using wire::Command;
using Bytes = std::vector<uint8_t>;

namespace {

template <typename T>
Bytes bytes_of(const T& value) {
  const auto* from = reinterpret_cast<const uint8_t*>(&value);
  return Bytes(from, from + sizeof value);
}

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Bytes text(const std::string& json) {
  return Bytes(json.begin(), json.end()) + Bytes{0};
}

struct Reply {
  wire::Header header = {};
  Bytes payload;
  std::vector<UniqueFd> fds;
  bool failed() const { return (header.flags & wire::kError) != 0; }
};

// A client that can send anything.
class RawClient {
 public:
  explicit RawClient(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    REQUIRE(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  explicit RawClient(UniqueFd socket) : socket_(std::move(socket)) {}

  static Bytes message(uint16_t command, const Bytes& payload, uint32_t flags = 0, uint16_t id = 77) {
    const wire::Header header = {id, command, static_cast<uint32_t>(sizeof header + payload.size()), flags,
                                 0};
    return bytes_of(header) + payload;
  }
  static Bytes message(Command command, const Bytes& payload, uint32_t flags = 0, uint16_t id = 77) {
    return message(static_cast<uint16_t>(command), payload, flags, id);
  }

  // False if the server has closed.
  bool send(const Bytes& bytes, const std::vector<int>& fds = {}) {
    size_t sent = 0;
    while (sent < bytes.size()) {
      iovec part = {const_cast<uint8_t*>(bytes.data()) + sent, bytes.size() - sent};
      Bytes control(CMSG_SPACE(fds.size() * sizeof(int)));
      msghdr header = {};
      header.msg_iov = &part;
      header.msg_iovlen = 1;
      if (!fds.empty() && sent == 0) {
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        cmsghdr* rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
        std::memcpy(CMSG_DATA(rights), fds.data(), fds.size() * sizeof(int));
      }
      const ssize_t count = ::sendmsg(socket_.get(), &header, MSG_NOSIGNAL);
      if (count < 0) return false;
      sent += static_cast<size_t>(count);
    }
    return true;
  }

  // Nothing if the server has closed; the test fails if nothing comes for five seconds.
  std::optional<Reply> receive() {
    Reply reply;
    if (!fill(reinterpret_cast<uint8_t*>(&reply.header), sizeof reply.header, reply.fds)) return std::nullopt;
    REQUIRE(reply.header.size >= sizeof reply.header);
    reply.payload.resize(reply.header.size - sizeof reply.header);
    if (!fill(reply.payload.data(), reply.payload.size(), reply.fds)) return std::nullopt;
    return reply;
  }

  std::optional<Reply> call(const Bytes& bytes, const std::vector<int>& fds = {}) {
    if (!send(bytes, fds)) return std::nullopt;
    return receive();
  }

  void negotiate(const std::string& json = R"({"capabilities":{"max_msg_fds":8,"write_multiple":true}})") {
    const auto reply = call(message(Command::kVersion, bytes_of(wire::Version{0, 0}) + text(json)));
    REQUIRE(reply);
    REQUIRE_FALSE(reply->failed());
  }

  // Whether the server still answers a good request.
  bool works() {
    const auto reply = call(message(Command::kGetInfo, bytes_of(wire::DeviceInfo{16, 0, 0, 0}), 0, 4711));
    return reply && !reply->failed() && reply->header.id == 4711 && reply->payload.size() == 16;
  }

  bool quiet() const {
    pollfd set = {socket_.get(), POLLIN, 0};
    return ::poll(&set, 1, 20) == 0;
  }
  int fd() const { return socket_.get(); }
  void close() { socket_.reset(); }

 private:
  bool fill(uint8_t* to, size_t size, std::vector<UniqueFd>& fds) {
    size_t have = 0;
    while (have < size) {
      pollfd set = {socket_.get(), POLLIN, 0};
      REQUIRE(::poll(&set, 1, 5000) == 1);
      iovec part = {to + have, size - have};
      alignas(cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))];
      msghdr header = {};
      header.msg_iov = &part;
      header.msg_iovlen = 1;
      header.msg_control = control;
      header.msg_controllen = sizeof control;
      const ssize_t count = ::recvmsg(socket_.get(), &header, MSG_CMSG_CLOEXEC);
      if (count <= 0) return false;
      for (cmsghdr* rights = CMSG_FIRSTHDR(&header); rights; rights = CMSG_NXTHDR(&header, rights))
        for (size_t i = 0; i < (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
          int fd;
          std::memcpy(&fd, CMSG_DATA(rights) + i * sizeof fd, sizeof fd);
          fds.emplace_back(fd);
        }
      have += static_cast<size_t>(count);
    }
    return true;
  }

  UniqueFd socket_;
};

Bytes access(uint32_t region, uint64_t offset, uint32_t count) {
  return bytes_of(wire::RegionAccess{offset, region, count});
}

Bytes map(uint64_t address, uint64_t size, uint32_t flags = 3, uint64_t offset = 0, uint32_t argsz = 32) {
  return bytes_of(wire::DmaMap{argsz, flags, offset, address, size});
}

Bytes unmap(uint64_t address, uint64_t size, uint32_t flags = 0, uint32_t argsz = 24) {
  return bytes_of(wire::DmaUnmap{argsz, flags, address, size});
}

Bytes irqs(uint32_t flags, uint32_t index, uint32_t start, uint32_t count) {
  return bytes_of(wire::IrqSet{20, flags, index, start, count});
}

Bytes one_write(uint64_t offset, uint32_t region, uint32_t count, uint8_t value) {
  wire::WriteOne one = {offset, region, count, {}};
  std::fill(std::begin(one.data), std::end(one.data), value);
  return bytes_of(one);
}

UniqueFd memory_file(size_t size) {
  UniqueFd file(::memfd_create("test", MFD_CLOEXEC));
  REQUIRE(::ftruncate(file.get(), static_cast<off_t>(size)) == 0);
  return file;
}

Bytes version(const std::string& json) {
  return bytes_of(wire::Version{0, 0}) + text(json);
}

}  // namespace

TEST_CASE("vfio-user server: negotiation") {
  TemporaryFolder folder;
  Bench bench(folder.socket());
  bench.start();
  RawClient client(folder.socket());

  SECTION("the reply names what the client named") {
    const auto reply = client.call(client.message(
        Command::kVersion,
        version(
            R"({"capabilities":{"max_msg_fds":16,"max_data_xfer_size":1048576,"pgsizes":4096,"max_dma_maps":65535,
                   "write_multiple":true,"migration":{"pgsize":4096,"max_bitmap_size":268435456}}})")));
    REQUIRE(reply);
    REQUIRE_FALSE(reply->failed());
    const std::string json(reply->payload.begin() + 4, reply->payload.end() - 1);
    CHECK(
        json ==
        R"({"capabilities":{"max_data_xfer_size":1048576,"max_dma_maps":65535,"max_msg_fds":16,"pgsizes":4096,"write_multiple":true}})");
    CHECK(reply->payload.back() == 0);
    CHECK(client.works());
  }
  SECTION("without capabilities") {
    const auto reply = client.call(client.message(Command::kVersion, bytes_of(wire::Version{0, 5})));
    REQUIRE(reply);
    REQUIRE_FALSE(reply->failed());
    CHECK(wire::load<wire::Version>(reply->payload.data()).minor == 0);
    CHECK(std::string(reply->payload.begin() + 4, reply->payload.end()) == std::string("{}\0", 3));
    CHECK(client.works());
  }
  SECTION("another major version ends the connection") {
    const auto reply = client.call(client.message(Command::kVersion, bytes_of(wire::Version{1, 0})));
    REQUIRE(reply);
    CHECK(reply->header.error == EPROTONOSUPPORT);
    CHECK_FALSE(client.receive());
  }
  SECTION("what cannot be understood is refused, and may be tried again") {
    for (const char* json :
         {"", "{", "7", "[]", R"({"capabilities":7})", R"({"capabilities":{"max_msg_fds":"x"}})",
          R"({"capabilities":{"max_msg_fds":-1}})", R"({"capabilities":{"pgsizes":0}})",
          R"({"capabilities":{"max_data_xfer_size":0}})", R"({"capabilities":{"max_dma_maps":1.5}})",
          R"({"capabilities":{"write_multiple":1}})"}) {
      INFO(json);
      const auto reply = client.call(client.message(Command::kVersion, version(json)));
      REQUIRE(reply);
      CHECK(reply->header.error == EINVAL);
    }
    const Bytes open_ended = {0, 0, 0, 0, '{', '}'};
    CHECK(client.call(client.message(Command::kVersion, open_ended))->header.error == EINVAL);
    CHECK(client.call(client.message(Command::kVersion, {0, 0}))->header.error == EINVAL);
    CHECK(client.call(client.message(Command::kGetInfo, bytes_of(wire::DeviceInfo{16, 0, 0, 0})))
              ->header.error == EINVAL);
    CHECK(client.call(client.message(Command::kRegionRead, access(0, 0, 4)))->header.error == EINVAL);
    client.negotiate();
    CHECK(client.works());
    CHECK(client.call(client.message(Command::kVersion, version("{}")))->header.error == EINVAL);
    CHECK(client.works());
  }
  CHECK(bench.device().accesses == 0);
}

TEST_CASE("vfio-user server: device, region and interrupt information") {
  TemporaryFolder folder;
  Bench bench(folder.socket());
  bench.start();
  RawClient client(folder.socket());
  client.negotiate();

  const auto device = client.call(client.message(Command::kGetInfo, bytes_of(wire::DeviceInfo{16, 0, 0, 0})));
  const auto info = wire::load<wire::DeviceInfo>(device->payload.data());
  CHECK(info.flags == (wire::kDevicePci | wire::kDeviceReset));
  CHECK(info.num_regions == 9);
  CHECK(info.num_irqs == 5);

  const auto region = [&](uint32_t index, uint32_t room) {
    auto reply = client.call(
        client.message(Command::kGetRegionInfo, bytes_of(wire::RegionInfo{room, 0, index, 0, 0, 0})));
    REQUIRE(reply);
    REQUIRE_FALSE(reply->failed());
    return std::move(*reply);
  };
  CHECK(wire::load<wire::RegionInfo>(region(0, 32).payload.data()).size == 4096);
  CHECK(wire::load<wire::RegionInfo>(region(5, 32).payload.data()).size == 0);
  const auto cut = region(2, 32);
  CHECK(cut.payload.size() == 32);
  CHECK(wire::load<wire::RegionInfo>(cut.payload.data()).argsz == 80);
  CHECK(wire::load<wire::RegionInfo>(cut.payload.data()).flags == 7);
  const auto full = region(2, 80);
  CHECK(full.payload.size() == 80);
  CHECK(full.fds.size() == 1);
  CHECK(wire::load<wire::RegionInfo>(full.payload.data()).flags == 15);
  CHECK(wire::load<wire::RegionInfo>(full.payload.data()).cap_offset == 32);
  CHECK(wire::load<wire::CapabilityHeader>(&full.payload[32]).id == 1);
  CHECK(wire::load<wire::SparseMmap>(&full.payload[40]).count == 2);
  CHECK(wire::load<wire::SparseArea>(&full.payload[64]).offset == 8192);

  const auto irq =
      client.call(client.message(Command::kGetIrqInfo, bytes_of(wire::IrqInfo{16, 0, kIrqMsix, 0})));
  CHECK(wire::load<wire::IrqInfo>(irq->payload.data()).count == 4);
  CHECK(wire::load<wire::IrqInfo>(irq->payload.data()).flags ==
        (wire::kIrqEventfd | wire::kIrqMaskable | wire::kIrqNoResize));
  const auto fds =
      client.call(client.message(Command::kGetRegionIoFds, bytes_of(wire::RegionIoFds{16, 0, 2, 0})));
  CHECK(fds->payload == bytes_of(wire::RegionIoFds{16, 0, 2, 0}));
}

TEST_CASE("vfio-user server: what is malformed is refused and harms nothing") {
  const size_t fds_before = open_fds();
  {
    TemporaryFolder folder;
    Bench bench(folder.socket(), {}, GENERATE(Bench::Style::kWaiting, Bench::Style::kPolling));
    bench.start();
    const UniqueFd file = memory_file(8192);
    const UniqueFd event(::eventfd(0, EFD_CLOEXEC));
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const UniqueFd pipe_out(ends[0]), pipe_in(ends[1]);
    const UniqueFd read_only(
        ::open(("/proc/self/fd/" + std::to_string(file.get())).c_str(), O_RDONLY | O_CLOEXEC));
    REQUIRE(read_only.valid());

    RawClient client(folder.socket());
    client.negotiate();
    REQUIRE_FALSE(client.call(client.message(Command::kDmaMap, map(0x10000, 8192)), {file.get()})->failed());

    const auto M = [](Command command, const Bytes& payload, uint32_t flags = 0) {
      return RawClient::message(command, payload, flags);
    };
    struct Case {
      const char* name;
      Bytes message;
      std::vector<int> fds;
      int error;
    };
    const uint32_t kEventTrigger = wire::kSetDataEventfd | wire::kSetActionTrigger;
    const uint32_t kNoneTrigger = wire::kSetDataNone | wire::kSetActionTrigger;
    const int f = file.get(), e = event.get();
    const std::vector<Case> cases = {
        {"command 0", RawClient::message(uint16_t{0}, {}), {}, ENOSYS},
        {"command 19", RawClient::message(uint16_t{19}, {}), {}, ENOSYS},
        {"command 65535", RawClient::message(uint16_t{65535}, Bytes(100)), {}, ENOSYS},
        {"type 2", M(Command::kReset, {}, 2), {}, EINVAL},
        {"type 15", M(Command::kReset, {}, 15), {}, EINVAL},
        {"reserved flag", M(Command::kReset, {}, 0x40), {}, EINVAL},
        {"error flag in a command", M(Command::kReset, {}, wire::kError), {}, EINVAL},
        {"reset with payload", M(Command::kReset, {1}), {}, EINVAL},
        {"reset with a file", M(Command::kReset, {}), {f}, EINVAL},
        {"second version", M(Command::kVersion, version("{}")), {}, EINVAL},
        {"the server's command DMA_READ", M(Command::kDmaRead, Bytes(16)), {}, EINVAL},
        {"the server's command DMA_WRITE", M(Command::kDmaWrite, Bytes(16)), {}, EINVAL},
        {"dirty pages", M(Command::kDirtyPages, Bytes(8)), {}, ENOTSUP},
        {"device feature", M(Command::kDeviceFeature, Bytes(8)), {}, ENOTSUP},
        {"migration read", M(Command::kMigrationRead, Bytes(8)), {}, ENOTSUP},
        {"migration write", M(Command::kMigrationWrite, Bytes(8)), {}, ENOTSUP},

        {"info, short", M(Command::kGetInfo, Bytes(15)), {}, EINVAL},
        {"info, long", M(Command::kGetInfo, bytes_of(wire::DeviceInfo{16, 0, 0, 0}) + Bytes(1)), {}, EINVAL},
        {"info, argsz", M(Command::kGetInfo, bytes_of(wire::DeviceInfo{15, 0, 0, 0})), {}, EINVAL},
        {"region info, short", M(Command::kGetRegionInfo, Bytes(31)), {}, EINVAL},
        {"region info, argsz",
         M(Command::kGetRegionInfo, bytes_of(wire::RegionInfo{31, 0, 0, 0, 0, 0})),
         {},
         EINVAL},
        {"region info, index",
         M(Command::kGetRegionInfo, bytes_of(wire::RegionInfo{32, 0, 9, 0, 0, 0})),
         {},
         EINVAL},
        {"io fds, short", M(Command::kGetRegionIoFds, Bytes(8)), {}, EINVAL},
        {"io fds, argsz", M(Command::kGetRegionIoFds, bytes_of(wire::RegionIoFds{8, 0, 0, 0})), {}, EINVAL},
        {"io fds, index", M(Command::kGetRegionIoFds, bytes_of(wire::RegionIoFds{16, 0, 9, 0})), {}, EINVAL},
        {"io fds, flags", M(Command::kGetRegionIoFds, bytes_of(wire::RegionIoFds{16, 1, 0, 0})), {}, EINVAL},
        {"irq info, short", M(Command::kGetIrqInfo, Bytes(12)), {}, EINVAL},
        {"irq info, argsz", M(Command::kGetIrqInfo, bytes_of(wire::IrqInfo{4, 0, 0, 0})), {}, EINVAL},
        {"irq info, index", M(Command::kGetIrqInfo, bytes_of(wire::IrqInfo{16, 0, 5, 0})), {}, EINVAL},

        {"read, short", M(Command::kRegionRead, Bytes(15)), {}, EINVAL},
        {"read, with data", M(Command::kRegionRead, access(0, 0, 4) + Bytes(4)), {}, EINVAL},
        {"read, region", M(Command::kRegionRead, access(9, 0, 4)), {}, EINVAL},
        {"read, absent region", M(Command::kRegionRead, access(3, 0, 4)), {}, EINVAL},
        {"read over the end", M(Command::kRegionRead, access(0, 4093, 4)), {}, EINVAL},
        {"read far beyond", M(Command::kRegionRead, access(0, 1u << 30, 4)), {}, EINVAL},
        {"read that overflows", M(Command::kRegionRead, access(0, ~uint64_t{0} - 1, 4)), {}, EINVAL},
        {"read of too much", M(Command::kRegionRead, access(0, 0, (1u << 20) + 1)), {}, E2BIG},
        {"read of 4 GiB", M(Command::kRegionRead, access(0, 0, 0xffffffff)), {}, E2BIG},
        {"read that the device fails", M(Command::kRegionRead, access(0, FakeDevice::kBroken, 4)), {}, EIO},
        {"write, short", M(Command::kRegionWrite, Bytes(8)), {}, EINVAL},
        {"write without data", M(Command::kRegionWrite, access(0, 0, 4)), {}, EINVAL},
        {"write, too little data", M(Command::kRegionWrite, access(0, 0, 4) + Bytes(3)), {}, EINVAL},
        {"write, too much data", M(Command::kRegionWrite, access(0, 0, 4) + Bytes(5)), {}, EINVAL},
        {"write over the end", M(Command::kRegionWrite, access(0, 4094, 4) + Bytes(4)), {}, EINVAL},
        {"write to read-only", M(Command::kRegionWrite, access(7, 0, 4) + Bytes(4)), {}, EACCES},
        {"write with a file", M(Command::kRegionWrite, access(0, 0, 4) + Bytes(4)), {f}, EINVAL},
        {"write that the device fails",
         M(Command::kRegionWrite, access(0, FakeDevice::kBroken, 4) + Bytes(4)),
         {},
         EIO},

        {"multi, short", M(Command::kRegionWriteMulti, Bytes(4)), {}, EINVAL},
        {"multi, count",
         M(Command::kRegionWriteMulti, bytes_of(uint64_t{2}) + one_write(0, 0, 4, 1)),
         {},
         EINVAL},
        {"multi, huge count",
         M(Command::kRegionWriteMulti, bytes_of(~uint64_t{0}) + one_write(0, 0, 4, 1)),
         {},
         EINVAL},
        {"multi, cut", M(Command::kRegionWriteMulti, bytes_of(uint64_t{1}) + Bytes(23)), {}, EINVAL},
        {"multi, 9 bytes",
         M(Command::kRegionWriteMulti, bytes_of(uint64_t{1}) + one_write(0, 0, 9, 1)),
         {},
         EINVAL},
        {"multi, no bytes",
         M(Command::kRegionWriteMulti, bytes_of(uint64_t{1}) + one_write(0, 0, 0, 1)),
         {},
         EINVAL},
        {"multi, second bad",
         M(Command::kRegionWriteMulti,
           bytes_of(uint64_t{2}) + one_write(0x300, 0, 4, 0xee) + one_write(0, 9, 4, 1)),
         {},
         EINVAL},
        {"multi, one fails",
         M(Command::kRegionWriteMulti,
           bytes_of(uint64_t{2}) + one_write(FakeDevice::kBroken, 0, 4, 1) + one_write(0x10, 0, 4, 1)),
         {},
         EIO},

        {"map, short", M(Command::kDmaMap, Bytes(31)), {}, EINVAL},
        {"map, argsz", M(Command::kDmaMap, map(0x100000, 4096, 3, 0, 8)), {f}, EINVAL},
        {"map, flags", M(Command::kDmaMap, map(0x100000, 4096, 0x13)), {f}, EINVAL},
        {"map, no right", M(Command::kDmaMap, map(0x100000, 4096, 0)), {f}, EINVAL},
        {"map, size 0", M(Command::kDmaMap, map(0x100000, 0)), {f}, EINVAL},
        {"map, odd size", M(Command::kDmaMap, map(0x100000, 4095)), {f}, EINVAL},
        {"map, odd address", M(Command::kDmaMap, map(0x100001, 4096)), {f}, EINVAL},
        {"map, odd offset", M(Command::kDmaMap, map(0x100000, 4096, 3, 512)), {f}, EINVAL},
        {"map, longer than the file", M(Command::kDmaMap, map(0x100000, 12288)), {f}, EINVAL},
        {"map, beyond the file", M(Command::kDmaMap, map(0x100000, 4096, 3, 8192)), {f}, EINVAL},
        {"map, offset overflows", M(Command::kDmaMap, map(0x100000, 4096, 3, ~uint64_t{4095})), {f}, EINVAL},
        {"map, address overflows", M(Command::kDmaMap, map(~uint64_t{4095}, 8192)), {f}, EINVAL},
        {"map, two files", M(Command::kDmaMap, map(0x100000, 4096)), {f, f}, EINVAL},
        {"map, not a file", M(Command::kDmaMap, map(0x100000, 4096)), {pipe_in.get()}, EINVAL},
        {"map, read-only file to write", M(Command::kDmaMap, map(0x100000, 4096)), {read_only.get()}, EACCES},
        {"map, mmap without file", M(Command::kDmaMap, map(0x100000, 4096, 7)), {}, EINVAL},
        {"map, file i/o", M(Command::kDmaMap, map(0x100000, 4096, 11)), {f}, ENOTSUP},
        {"map, offset without file", M(Command::kDmaMap, map(0x100000, 4096, 3, 4096)), {}, EINVAL},
        {"map, same again", M(Command::kDmaMap, map(0x10000, 8192)), {f}, EEXIST},
        {"map, overlaps the end", M(Command::kDmaMap, map(0x11000, 8192)), {f}, EEXIST},
        {"map, overlaps the start", M(Command::kDmaMap, map(0xf000, 8192)), {f}, EEXIST},
        {"map, encloses", M(Command::kDmaMap, map(0, 1u << 30)), {}, EEXIST},
        {"unmap, short", M(Command::kDmaUnmap, Bytes(23)), {}, EINVAL},
        {"unmap, argsz", M(Command::kDmaUnmap, unmap(0x10000, 8192, 0, 8)), {}, EINVAL},
        {"unmap, flags", M(Command::kDmaUnmap, unmap(0x10000, 8192, 8)), {}, EINVAL},
        {"unmap, dirty pages", M(Command::kDmaUnmap, unmap(0x10000, 8192, 1) + Bytes(16)), {}, ENOTSUP},
        {"unmap, with a file", M(Command::kDmaUnmap, unmap(0x10000, 8192)), {f}, EINVAL},
        {"unmap, unknown", M(Command::kDmaUnmap, unmap(0x90000, 4096)), {}, ENOENT},
        {"unmap, half", M(Command::kDmaUnmap, unmap(0x10000, 4096)), {}, ENOENT},
        {"unmap, second half", M(Command::kDmaUnmap, unmap(0x11000, 4096)), {}, ENOENT},
        {"unmap, more", M(Command::kDmaUnmap, unmap(0x10000, 12288)), {}, ENOENT},
        {"unmap, all, with address", M(Command::kDmaUnmap, unmap(0x10000, 8192, 2)), {}, EINVAL},

        {"irqs, short", M(Command::kSetIrqs, Bytes(19)), {}, EINVAL},
        {"irqs, argsz",
         M(Command::kSetIrqs, bytes_of(wire::IrqSet{4, kNoneTrigger, kIrqMsix, 0, 1})),
         {},
         EINVAL},
        {"irqs, flags", M(Command::kSetIrqs, irqs(0x40 | kNoneTrigger, kIrqMsix, 0, 1)), {}, EINVAL},
        {"irqs, no data kind",
         M(Command::kSetIrqs, irqs(wire::kSetActionTrigger, kIrqMsix, 0, 1)),
         {},
         EINVAL},
        {"irqs, no action", M(Command::kSetIrqs, irqs(wire::kSetDataNone, kIrqMsix, 0, 1)), {}, EINVAL},
        {"irqs, two actions",
         M(Command::kSetIrqs, irqs(kNoneTrigger | wire::kSetActionMask, kIrqMsix, 0, 1)),
         {},
         EINVAL},
        {"irqs, two data kinds",
         M(Command::kSetIrqs, irqs(kNoneTrigger | wire::kSetDataBool, kIrqMsix, 0, 1)),
         {},
         EINVAL},
        {"irqs, index", M(Command::kSetIrqs, irqs(kNoneTrigger, 5, 0, 1)), {}, EINVAL},
        {"irqs, empty index", M(Command::kSetIrqs, irqs(kNoneTrigger, kIrqMsi, 0, 1)), {}, EINVAL},
        {"irqs, start", M(Command::kSetIrqs, irqs(kNoneTrigger, kIrqMsix, 5, 1)), {}, EINVAL},
        {"irqs, count", M(Command::kSetIrqs, irqs(kNoneTrigger, kIrqMsix, 1, 4)), {}, EINVAL},
        {"irqs, overflow", M(Command::kSetIrqs, irqs(kNoneTrigger, kIrqMsix, 2, 0xffffffff)), {}, EINVAL},
        {"irqs, none of mask",
         M(Command::kSetIrqs, irqs(wire::kSetDataNone | wire::kSetActionMask, kIrqMsix, 0, 0)),
         {},
         EINVAL},
        {"irqs, none at 1", M(Command::kSetIrqs, irqs(kNoneTrigger, kIrqMsix, 1, 0)), {}, EINVAL},
        {"irqs, bools missing",
         M(Command::kSetIrqs, irqs(wire::kSetDataBool | wire::kSetActionTrigger, kIrqMsix, 0, 2) + Bytes(1)),
         {},
         EINVAL},
        {"irqs, data with none",
         M(Command::kSetIrqs, irqs(kNoneTrigger, kIrqMsix, 0, 1) + Bytes(4)),
         {},
         EINVAL},
        {"irqs, fewer fds", M(Command::kSetIrqs, irqs(kEventTrigger, kIrqMsix, 0, 3)), {e, e}, EINVAL},
        {"irqs, more fds", M(Command::kSetIrqs, irqs(kEventTrigger, kIrqMsix, 0, 1)), {e, e}, EINVAL},
        {"irqs, fds with none", M(Command::kSetIrqs, irqs(kNoneTrigger, kIrqMsix, 0, 1)), {e}, EINVAL},
        {"irqs, a pipe", M(Command::kSetIrqs, irqs(kEventTrigger, kIrqMsix, 0, 1)), {pipe_in.get()}, EINVAL},
        {"irqs, a file", M(Command::kSetIrqs, irqs(kEventTrigger, kIrqMsix, 0, 1)), {f}, EINVAL},
        {"too many fds", M(Command::kSetIrqs, irqs(kEventTrigger, kIrqMsix, 0, 4)), std::vector<int>(17, e),
         EINVAL},
        {"very many fds", M(Command::kGetInfo, Bytes(16)), std::vector<int>(253, e), EINVAL},
    };
    for (const Case& c : cases) {
      INFO(c.name);
      const auto reply = client.call(c.message, c.fds);
      REQUIRE(reply);
      CHECK(reply->header.error == static_cast<uint32_t>(c.error));
      CHECK(reply->header.flags == (wire::kTypeReply | wire::kError));
      CHECK(reply->header.size == 16);
      CHECK(reply->header.id == 77);
      CHECK(reply->fds.empty());
      // The same, with nobody to hear the reply.
      Bytes quiet = c.message;
      auto header = wire::load<wire::Header>(quiet.data());
      header.flags |= wire::kNoReply;
      wire::store(quiet.data(), header);
      REQUIRE(client.send(quiet, c.fds));
      REQUIRE(client.works());
    }
    // Nothing of a message that was refused as a whole has been done.
    const auto untouched = client.call(client.message(Command::kRegionRead, access(0, 0x300, 4)));
    CHECK(wire::load<uint32_t>(&untouched->payload[16]) == 0);
    // A reply to nothing is no command.
    REQUIRE(client.send(client.message(Command::kDmaRead, Bytes(16), wire::kTypeReply)));
    CHECK(client.works());
    bench.simulate([&] { CHECK(bench.server().dma().windows() == 1); });
    CHECK(bench.log().find("further errors of it are not shown") != std::string::npos);
  }
  CHECK(open_fds() == fds_before);
}

TEST_CASE("vfio-user server: where the stream cannot go on, the client is told and dropped") {
  TemporaryFolder folder;
  Options options;
  options.message_timeout = std::chrono::milliseconds(60);
  options.negotiation_timeout = std::chrono::milliseconds(60);
  Bench bench(folder.socket(), options, GENERATE(Bench::Style::kWaiting, Bench::Style::kPolling));
  bench.start();
  {
    RawClient client(folder.socket());
    SECTION("size below the header's") {
      client.negotiate();
      const auto reply = client.call(bytes_of(wire::Header{3, 4, 15, 0, 0}));
      REQUIRE(reply);
      CHECK(reply->header.error == EINVAL);
      CHECK(reply->header.id == 3);
      CHECK_FALSE(client.receive());
    }
    SECTION("size above every message's") {
      client.negotiate();
      const auto reply = client.call(bytes_of(wire::Header{3, 9, 0xffffffff, 0, 0}));
      REQUIRE(reply);
      CHECK(reply->header.error == EMSGSIZE);
      CHECK_FALSE(client.receive());
    }
    SECTION("a message that is not completed") {
      client.negotiate();
      REQUIRE(client.send(bytes_of(wire::Header{3, 9, 32, 0, 0})));
      CHECK_FALSE(client.receive());
      CHECK(bench.log().find("incomplete") != std::string::npos);
    }
    SECTION("half a header") {
      REQUIRE(client.send({1, 2, 3}));
      CHECK_FALSE(client.receive());
    }
    SECTION("no negotiation") {
      CHECK_FALSE(client.receive());
      CHECK(bench.log().find("did not negotiate") != std::string::npos);
    }
  }
  RawClient next(folder.socket());
  next.negotiate();
  CHECK(next.works());
}

TEST_CASE("vfio-user server: a client that does not read is dropped") {
  TemporaryFolder folder;
  Options options;
  options.message_timeout = std::chrono::milliseconds(60);
  Bench bench(folder.socket(), options, GENERATE(Bench::Style::kWaiting, Bench::Style::kPolling));
  bench.start();
  {
    RawClient client(folder.socket());
    client.negotiate();
    ::fcntl(client.fd(), F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 20000; ++i)
      if (!client.send(client.message(Command::kRegionRead, access(0, 0, 4096)))) break;
    CHECK(eventually([&] { return bench.log().find("did not read") != std::string::npos; }));
  }
  RawClient next(folder.socket());
  next.negotiate();
  CHECK(next.works());
}

TEST_CASE("vfio-user server: commands in one piece, in many, and posted") {
  TemporaryFolder folder;
  Bench bench(folder.socket(), {}, GENERATE(Bench::Style::kWaiting, Bench::Style::kPolling));
  bench.start();
  RawClient client(folder.socket());
  client.negotiate();

  SECTION("replies come in the order of the commands") {
    Bytes all;
    for (uint16_t id = 0; id < 100; ++id) {
      if (id % 5 == 0) all = all + client.message(Command::kRegionRead, access(0, 8 * id, 8), 0, id);
      if (id % 5 == 1)
        all = all + client.message(Command::kGetInfo, bytes_of(wire::DeviceInfo{16, 0, 0, 0}), 0, id);
      if (id % 5 == 2) all = all + client.message(Command::kReset, {}, 0, id);
      if (id % 5 == 3) all = all + client.message(uint16_t{999}, Bytes(id), 0, id);
      if (id % 5 == 4)
        all = all + client.message(Command::kRegionWrite, access(0, 0, 4) + Bytes(4, uint8_t(id)), 0, id);
    }
    REQUIRE(client.send(all));
    for (uint16_t id = 0; id < 100; ++id) {
      const auto reply = client.receive();
      REQUIRE(reply);
      CHECK(reply->header.id == id);
      CHECK(reply->failed() == (id % 5 == 3));
    }
  }
  SECTION("byte by byte") {
    for (const uint8_t byte : client.message(Command::kRegionWrite, access(0, 16, 4) + Bytes{1, 2, 3, 4}))
      REQUIRE(client.send({byte}));
    CHECK_FALSE(client.receive()->failed());
    const auto reply = client.call(client.message(Command::kRegionRead, access(0, 16, 4)));
    CHECK(reply->payload == access(0, 16, 4) + Bytes{1, 2, 3, 4});
  }
  SECTION("a file that comes with the message after a reset in the same stream") {
    const UniqueFd file = memory_file(4096);
    REQUIRE(client.send(client.message(Command::kReset, {})));
    REQUIRE(client.send(client.message(Command::kDmaMap, map(0, 4096)), {file.get()}));
    CHECK_FALSE(client.receive()->failed());
    CHECK_FALSE(client.receive()->failed());
    bench.simulate([&] { CHECK(bench.server().dma().all().at(0)->host() != nullptr); });
  }
  SECTION("posted writes are done before the next command is answered, and not answered themselves") {
    for (int i = 0; i < 100; ++i)
      REQUIRE(client.send(
          client.message(Command::kRegionWrite, access(0, 4 * i, 4) + Bytes(4, uint8_t(i)), wire::kNoReply)));
    const auto reply = client.call(client.message(Command::kRegionRead, access(0, 0, 400)));
    for (int i = 0; i < 100; ++i) CHECK(reply->payload[16 + 4 * i] == i);
    CHECK(client.quiet());
  }
  SECTION("several writes in one message") {
    Bytes writes = bytes_of(uint64_t{200});
    for (int i = 0; i < 200; ++i) writes = writes + one_write(8 * i, 0, i % 8 + 1, uint8_t(i));
    const auto reply = client.call(client.message(Command::kRegionWriteMulti, writes));
    CHECK(reply->payload == bytes_of(uint64_t{200}));
    const auto back = client.call(client.message(Command::kRegionRead, access(0, 0, 1600)));
    for (int i = 0; i < 200; ++i) CHECK(back->payload[16 + 8 * i] == i);
    CHECK(client.call(client.message(Command::kRegionWriteMulti, bytes_of(uint64_t{0})))->payload ==
          bytes_of(uint64_t{0}));
  }
  SECTION("no bytes at all") {
    CHECK(client.call(client.message(Command::kRegionRead, access(0, 4096, 0)))->payload ==
          access(0, 4096, 0));
    CHECK(bench.device().accesses == 0);
  }
}

TEST_CASE("vfio-user server: the owner may answer late, in any order, or not at all") {
  FakeDevice device;
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  Server server("", device, {});
  server.start(UniqueFd(ends[0]));
  RawClient client{UniqueFd(ends[1])};
  client.negotiate();
  for (uint16_t id = 1; id <= 3; ++id)
    REQUIRE(client.send(client.message(Command::kRegionRead, access(0, 0, 4), 0, id)));
  REQUIRE(server.wait(std::chrono::milliseconds(5000)));
  auto first = server.next();
  REQUIRE(first->kind() == Request::Kind::kConnect);
  server.execute(*first);
  CHECK(device.connects == 1);
  std::vector<Request> held;
  while (held.size() < 3) {
    REQUIRE(server.wait(std::chrono::milliseconds(5000)));
    held.push_back(std::move(*server.next()));
  }
  CHECK(held[2].number() == held[0].number() + 2);
  held.pop_back();  // unanswered
  const uint8_t data[4] = {9, 9, 9, 9};
  held[1].reply_read(data);
  CHECK(client.quiet());
  held[0].reply_error(EBUSY);
  CHECK(client.receive()->header.error == EBUSY);
  CHECK(client.receive()->payload == access(0, 0, 4) + Bytes(4, 9));
  CHECK(client.receive()->header.error == EIO);

  SECTION("a request that outlives its client goes nowhere") {
    REQUIRE(client.send(client.message(Command::kRegionRead, access(0, 0, 4))));
    REQUIRE(server.wait(std::chrono::milliseconds(5000)));
    auto late = server.next();
    client.close();
    REQUIRE(server.wait(std::chrono::milliseconds(5000)));
    late->reply_read(data);
    auto gone = server.next();
    REQUIRE(gone->kind() == Request::Kind::kDisconnect);
    server.execute(*gone);
    CHECK(device.disconnects == 1);
  }
  SECTION("hang_up() lets through what was sent before, and nothing after") {
    REQUIRE(client.send(client.message(Command::kRegionRead, access(0, 0, 4))));
    server.hang_up();
    REQUIRE(server.wait(std::chrono::milliseconds(5000)));
    CHECK(server.next()->kind() == Request::Kind::kRegionRead);
    CHECK_FALSE(client.send(client.message(Command::kRegionRead, access(0, 0, 4))));
    REQUIRE(server.wait(std::chrono::milliseconds(5000)));
    CHECK(server.next()->kind() == Request::Kind::kDisconnect);
    CHECK_FALSE(server.connected());
  }
  SECTION("wake() ends a wait") {
    server.wake();
    CHECK_FALSE(server.wait(std::chrono::milliseconds(-1)));
    CHECK_FALSE(server.wait(std::chrono::milliseconds(1)));
  }
}

TEST_CASE("vfio-user server: one client after the other") {
  TemporaryFolder folder;
  Bench bench(folder.socket());
  bench.start();
  const size_t fds_idle = open_fds();
  for (int round = 0; round < 5; ++round) {
    RawClient first(folder.socket());
    first.negotiate();
    RawClient second(folder.socket());
    REQUIRE(second.send(second.message(Command::kVersion, bytes_of(wire::Version{0, 0}))));
    CHECK(second.quiet());
    const UniqueFd file = memory_file(4096);
    const UniqueFd event(::eventfd(0, EFD_CLOEXEC));
    CHECK_FALSE(first.call(first.message(Command::kDmaMap, map(0x1000, 4096)), {file.get()})->failed());
    CHECK_FALSE(
        first
            .call(first.message(Command::kSetIrqs,
                                irqs(wire::kSetDataEventfd | wire::kSetActionTrigger, kIrqMsix, 0, 2)),
                  {event.get(), event.get()})
            ->failed());
    CHECK(bench.server().connected());
    first.close();
    CHECK_FALSE(second.receive()->failed());
    CHECK(bench.device().disconnects == round * 2 + 1);
    bench.simulate([&] {
      CHECK(bench.server().dma().windows() == 0);
      CHECK_FALSE(bench.server().irqs().enabled(kIrqMsix, 0));
    });
    CHECK(second.works());
    second.close();
    CHECK(eventually([&] { return bench.device().disconnects == round * 2 + 2; }));
  }
  CHECK(eventually([&] { return open_fds() == fds_idle; }));
}

TEST_CASE("vfio-user server: the socket's path") {
  TemporaryFolder folder;
  FakeDevice device;
  const auto failure = [&](const std::string& path) -> std::string {
    Server server(path, device);
    try {
      server.start();
    } catch (const SocketError& error) {
      return error.what();
    }
    return "";
  };
  CHECK(failure(folder.path() + std::string(120, 'x')).find("at most 107") != std::string::npos);
  CHECK(failure("").find("empty") != std::string::npos);
  CHECK(failure(folder.path() + "/absent/socket").find("No such file") != std::string::npos);
  CHECK(failure(folder.path()).find("not a socket") != std::string::npos);
  {
    Server first(folder.socket(), device);
    first.start();
    CHECK(failure(folder.socket()).find("served by a running process") != std::string::npos);
    RawClient client(folder.socket());
    client.negotiate();
  }
  CHECK(::access(folder.socket().c_str(), F_OK) != 0);
  {  // left behind by a process that died
    UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, folder.socket().data(), folder.socket().size());
    REQUIRE(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  REQUIRE(::access(folder.socket().c_str(), F_OK) == 0);
  CHECK(failure(folder.socket()).empty());
}

TEST_CASE("vfio-user server: random messages") {
  const char* given = std::getenv("RDU_SEED");
  const unsigned seed = given ? static_cast<unsigned>(std::strtoul(given, nullptr, 0)) : 20240607u;
  std::printf("random messages: RDU_SEED=%u\n", seed);
  INFO("RDU_SEED=" << seed);
  const size_t fds_before = open_fds();
  {
    TemporaryFolder folder;
    Bench bench(folder.socket(), {}, seed % 2 ? Bench::Style::kPolling : Bench::Style::kWaiting);
    bench.start();
    std::mt19937 random(seed);
    const auto below = [&](uint32_t limit) { return static_cast<uint32_t>(random() % limit); };
    const UniqueFd file = memory_file(65536);
    const UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    std::optional<RawClient> client;
    int sent = 0, connections = 0;
    while (sent < 4000) {
      if (!client) {
        client.emplace(folder.socket());
        ++connections;
        if (below(8)) client->negotiate();
      }
      Bytes payload;
      const auto command = static_cast<uint16_t>(below(20));
      switch (static_cast<Command>(command)) {
        case Command::kVersion:
          payload = version(R"({"capabilities":{"max_msg_fds":1}})");
          break;
        case Command::kDmaMap:
          payload = map(uint64_t{below(16)} * 4096, uint64_t{below(4)} * 4096, below(4),
                        uint64_t{below(16)} * 4096);
          break;
        case Command::kDmaUnmap:
          payload = below(8) ? unmap(uint64_t{below(16)} * 4096, uint64_t{below(4)} * 4096) : unmap(0, 0, 2);
          break;
        case Command::kGetInfo:
        case Command::kGetIrqInfo:
        case Command::kGetRegionIoFds:
          payload = bytes_of(wire::IrqInfo{16, 0, below(10), 0});
          break;
        case Command::kGetRegionInfo:
          payload = bytes_of(wire::RegionInfo{below(200), 0, below(10), 0, 0, 0});
          break;
        case Command::kSetIrqs:
          payload = irqs(1u << below(3) | 8u << below(3), below(6), below(4), below(4)) +
                    Bytes(below(2) * below(4));
          break;
        case Command::kRegionRead:
          payload = access(below(10), below(5000), below(64));
          break;
        case Command::kRegionWrite: {
          const uint32_t count = below(64);
          payload = access(below(10), below(5000), count) + Bytes(count, 1);
          break;
        }
        case Command::kRegionWriteMulti:
          payload =
              bytes_of(uint64_t{2}) + one_write(below(5000), below(3), below(10), 1) + one_write(0, 0, 4, 1);
          break;
        default:
          payload.resize(below(100));
      }
      Bytes message = RawClient::message(command, payload, below(16) ? 0 : below(64));
      if (below(3) == 0)  // a few bits, the size among them only now and then
        for (uint32_t i = below(4); i > 0; --i) {
          const uint32_t at = below(static_cast<uint32_t>(message.size()));
          if (at < 4 || at >= 8 || below(8) == 0) message[at] ^= static_cast<uint8_t>(1u << below(8));
        }
      if (below(50) == 0) message.resize(below(static_cast<uint32_t>(message.size())) + 1);
      std::vector<int> fds;
      if (below(3) == 0)
        for (uint32_t i = below(4); i > 0; --i) fds.push_back(below(2) ? file.get() : event.get());
      ++sent;
      bool alive = client->send(message, fds);
      pollfd set = {client->fd(), POLLIN, 0};
      while (alive && ::poll(&set, 1, 0) > 0) {
        Bytes sink(65536);
        alive = ::recv(client->fd(), sink.data(), sink.size(), MSG_DONTWAIT) > 0;
      }
      if (!alive || below(100) == 0) client.reset();
    }
    client.reset();
    CHECK(connections > 10);
    RawClient good(folder.socket());
    good.negotiate();
    CHECK(good.works());
    CHECK_FALSE(good.call(good.message(Command::kRegionRead, access(0, 0, 4)))->failed());
  }
  CHECK(open_fds() == fds_before);
}
