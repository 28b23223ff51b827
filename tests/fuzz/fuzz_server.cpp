// The vfio-user server: its message parser and its state machine. The bytes are a script of a client that
// means harm, and of the moments at which the simulation looks. Each run has a server, a device and a
// connection of its own. Found are, besides what the sanitizers see: replies that are no messages, a client
// that comes or goes without the device's hearing of it, windows and descriptors that are left over.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "input.h"
#include "pcie/vfio_user/protocol.h"
#include "pcie/vfio_user/test_device.h"

using namespace rdu::pcie::vfio_user;
using rdu::fuzz::Input;

namespace {

using Bytes = std::vector<uint8_t>;

/// What a client can send along.
std::vector<UniqueFd> descriptors(uint8_t kinds) {
  std::vector<UniqueFd> fds;
  for (unsigned i = 0; i < (kinds & 3u); ++i) {
    switch ((kinds >> (2 + 3 * i % 6)) & 7) {
      case 0:
      case 1:
        fds.emplace_back(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        break;
      case 2:
      case 3:
      case 4: {
        UniqueFd file(::memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING));
        if (::ftruncate(file.get(), 65536) != 0) std::abort();
        if ((kinds & 4) != 0) ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK);
        fds.push_back(std::move(file));
        break;
      }
      case 5:
        fds.emplace_back(::open("/dev/null", O_RDWR | O_CLOEXEC));
        break;
      default: {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
        fds.emplace_back(ends[1]);
        ::close(ends[0]);
      }
    }
  }
  return fds;
}

class Session {
 public:
  Session() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) std::abort();
    client_.reset(ends[1]);
    Options options;
    options.dma_timeout = std::chrono::milliseconds(1);  // this client does not answer in time
    options.max_data_transfer = 65536;
    server_.emplace("", device_, options);
    device_.server = &*server_;
    server_->start(UniqueFd(ends[0]));
  }

  void run(Input& input) {
    while (!input.empty()) {
      const uint8_t what = input.byte();
      switch (what & 7) {
        case 0:
          send(input.bytes(input.byte()), input.byte());
          break;
        case 1:
        case 2:
        case 3:
          message(input, what >> 3);
          break;
        case 4:
          negotiate(what >> 3);
          break;
        case 5:
          drain();
          break;
        case 6:
          simulate((what >> 3) + 1);
          break;
        case 7:
          if (what >> 3 == 31) server_->hang_up();
          if (what >> 3 == 30) ::shutdown(client_.get(), SHUT_WR);
          if (what >> 3 == 29) server_->irqs().trigger(kIrqMsix, 1);
          if (what >> 3 == 28) server_->irqs().trigger(kIrqIntx, 0);
          break;
      }
    }
    simulate(64);
    drain();
    client_.reset();
    while (server_->wait(std::chrono::milliseconds(0)) || server_->connected()) simulate(64);
    FUZZ_CHECK(device_.connects == device_.disconnects, "a client has come or gone without a word");
    FUZZ_CHECK(server_->dma().windows() == 0, "windows of a client that has gone");
    server_->stop();
  }

 private:
  void send(const Bytes& bytes, uint8_t kinds) {
    if (bytes.empty()) return;
    const std::vector<UniqueFd> fds = descriptors(kinds);
    iovec part = {const_cast<uint8_t*>(bytes.data()), bytes.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(3 * sizeof(int))] = {};
    msghdr header = {};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (!fds.empty()) {
      header.msg_control = control;
      header.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
      cmsghdr* rights = CMSG_FIRSTHDR(&header);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
      for (size_t i = 0; i < fds.size(); ++i) {
        const int fd = fds[i].get();
        std::memcpy(CMSG_DATA(rights) + i * sizeof fd, &fd, sizeof fd);
      }
    }
    [[maybe_unused]] const ssize_t sent = ::sendmsg(client_.get(), &header, MSG_NOSIGNAL);
  }

  /// A message whose frame is right (unless `twist` says otherwise), with the fuzzer's fields.
  void message(Input& input, uint8_t twist) {
    wire::Header header = {};
    header.id = ++id_;
    header.command = input.byte() % 24;
    const uint8_t kinds = input.byte();
    Bytes payload = input.bytes(input.byte());
    if (twist & 1) header.flags |= wire::kNoReply;
    if (twist & 2) header.flags |= wire::kTypeReply;
    if ((twist & 12) == 12) header.flags |= input.byte();
    header.size = static_cast<uint32_t>(sizeof header + payload.size());
    if (twist == 31) header.size += input.byte();
    if (twist == 30) header.size = input.byte();
    if (twist & 2) header.id = input.byte();
    if (payload.size() >= 4 && (twist & 4))
      wire::store(payload.data(), static_cast<uint32_t>(payload.size()));
    Bytes bytes(sizeof header);
    wire::store(bytes.data(), header);
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    send(bytes, kinds);
  }

  void negotiate(uint8_t variant) {
    static const char* const kCapabilities[] = {
        R"({"capabilities":{"max_msg_fds":8,"write_multiple":true}})",
        R"({"capabilities":{"max_data_xfer_size":4096,"max_dma_maps":4}})", "{}", "{\"capabilities\":1}"};
    const char* const json = kCapabilities[variant & 3];
    const size_t length = std::strlen(json) + 1;
    wire::Header header = {};
    header.id = ++id_;
    header.command = static_cast<uint16_t>(wire::Command::kVersion);
    header.size = static_cast<uint32_t>(sizeof header + sizeof(wire::Version) + length);
    Bytes bytes(sizeof header + sizeof(wire::Version));
    wire::store(bytes.data(), header);
    bytes.insert(bytes.end(), json, json + length);
    send(bytes, 0);
  }

  /// Takes what the server has sent: whole messages, one behind the other.
  void drain() {
    uint8_t part[65536];
    for (;;) {
      iovec place = {part, sizeof part};
      alignas(cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))];
      msghdr header = {};
      header.msg_iov = &place;
      header.msg_iovlen = 1;
      header.msg_control = control;
      header.msg_controllen = sizeof control;
      const ssize_t got = ::recvmsg(client_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
      if (got <= 0) break;
      for (cmsghdr* c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
        const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; ++i) {
          int fd;
          std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
          ::close(fd);
        }
      }
      received_.insert(received_.end(), part, part + got);
    }
    size_t at = 0;
    while (received_.size() - at >= sizeof(wire::Header)) {
      const auto header = wire::load<wire::Header>(received_.data() + at);
      FUZZ_CHECK(header.size >= sizeof header && header.size <= 1 << 20, "a reply that is no message");
      FUZZ_CHECK((header.flags & wire::kTypeMask) <= wire::kTypeReply, "neither a command nor a reply");
      if (received_.size() - at < header.size) break;
      at += header.size;
    }
    received_.erase(received_.begin(), received_.begin() + static_cast<std::ptrdiff_t>(at));
  }

  void simulate(unsigned most) {
    for (unsigned i = 0; i < most; ++i) {
      if (!server_->wait(std::chrono::milliseconds(0))) break;
      while (auto request = server_->next()) server_->execute(*request);
    }
  }

  test::FakeDevice device_;
  std::optional<Server> server_;
  UniqueFd client_;
  Bytes received_;
  uint16_t id_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const size_t fds = test::open_fds();
  {
    Input input(data, size);
    Session().run(input);
  }
  FUZZ_CHECK(test::open_fds() == fds, "descriptors are left over");
  return 0;
}
