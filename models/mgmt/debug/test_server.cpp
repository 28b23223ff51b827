#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/error.h"
#include "mgmt/debug/packet.h"
#include "mgmt/debug/server.h"
#include "test/catch.h"

using namespace rdu::mgmt::debug;
using std::chrono::milliseconds;

namespace {

/// One hart that stops when asked, at the next poll.
class FakeTarget : public Target {
 public:
  unsigned threads() const override { return 1; }
  std::string thread_info(unsigned) const override { return "hart 0"; }
  const std::vector<RegisterInfo>& registers() const override {
    static const std::vector<RegisterInfo> kNone;
    return kNone;
  }
  std::optional<uint64_t> read_register(unsigned, unsigned) override { return std::nullopt; }
  bool write_register(unsigned, unsigned, uint64_t) override { return false; }
  bool read_memory(unsigned, Space, uint64_t, uint8_t*, size_t) override { return false; }
  bool write_memory(unsigned, Space, uint64_t, const uint8_t*, size_t) override { return false; }
  bool insert(Point, uint64_t, uint64_t) override {
    ++points;
    return true;
  }
  void remove(Point, uint64_t, uint64_t) override {}
  void remove_all() override { points = 0; }
  void resume(const std::vector<Action>&) override { running = true; }
  void interrupt() override { asked = true; }
  std::optional<Stop> poll() override {
    if (!asked) return std::nullopt;
    asked = running = false;
    return Stop{1, Stop::Why::interrupt, Point::software, 0};
  }

  bool running = true;
  bool asked = false;
  int points = 0;
};

class Client {
 public:
  explicit Client(const std::string& address) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
  }
  ~Client() { ::close(fd_); }
  void send(const std::string& bytes) {
    REQUIRE(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
  }
  /// What has come within a moment; "(closed)" if the other side has gone.
  std::string receive(int wait = 50) {
    pollfd set = {fd_, POLLIN, 0};
    if (::poll(&set, 1, wait) != 1) return {};
    char buffer[4096];
    const ssize_t got = ::recv(fd_, buffer, sizeof buffer, 0);
    return got > 0 ? std::string(buffer, static_cast<size_t>(got)) : "(closed)";
  }

 private:
  int fd_;
};

struct Bench {
  FakeTarget target;
  std::vector<std::string> log;
  std::string monitor(const std::string& line) { return line; }
  Server server;

  explicit Bench(bool halted)
      : server(
            "tcp::0", halted, target, [this](const std::string& line) { return monitor(line); },
            [this](const std::string& line) { log.push_back(line); }) {}
  /// As a simulation does.
  void turn(int times = 3) {
    for (int i = 0; i < times; ++i) server.serve(milliseconds(server.halted() ? 20 : 0));
  }
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a debugger comes, halts the machine, lets it run, interrupts and detaches") {
  Bench b(false);
  b.turn();
  CHECK_FALSE(b.server.halted());
  Client gdb(b.server.address());
  gdb.send("+" + frame("qSupported") + frame("?"));  // before anybody has looked
  b.turn();
  CHECK(b.server.halted());
  CHECK_FALSE(b.target.running);
  std::string got = gdb.receive();
  CHECK(contains(got, "PacketSize"));
  CHECK(contains(got, "T05thread:1;"));
  gdb.send("+" + frame("Z0,1000,2") + frame("c"));
  b.turn();
  CHECK_FALSE(b.server.halted());
  CHECK(b.target.running);
  gdb.receive();
  gdb.send("\x03");
  b.turn();
  CHECK(b.server.halted());
  CHECK(contains(gdb.receive(), "T02thread:1;"));
  gdb.send(frame("D"));
  b.turn(2);
  CHECK_FALSE(b.server.halted());
  CHECK(b.target.running);
  CHECK(b.target.points == 0);
  CHECK(contains(gdb.receive(), "OK"));
  CHECK(gdb.receive() == "(closed)");
  CHECK(b.log.size() == 2);
}

TEST_CASE("halted from the start, until a debugger lets it go; one that vanishes changes nothing") {
  Bench b(true);
  b.turn();
  CHECK(b.server.halted());
  {
    Client gdb(b.server.address());
    gdb.send(frame("Z0,1000,2"));
    b.turn();
    CHECK(b.target.points == 1);
  }
  b.turn();
  CHECK(b.server.halted());
  CHECK(b.target.points == 0);
  {
    Client gdb(b.server.address());
    gdb.send(frame("vCont;c"));
    b.turn();
    CHECK_FALSE(b.server.halted());
  }
  b.turn();
  CHECK_FALSE(b.server.halted());
  CHECK(b.target.running);
  Client gdb(b.server.address());
  gdb.send(frame("k"));
  b.turn();
  CHECK(b.server.killed());
}

TEST_CASE("a second debugger is sent away") {
  Bench b(true);
  Client first(b.server.address());
  b.turn();
  Client second(b.server.address());
  b.turn();
  CHECK(second.receive() == "(closed)");
  first.send(frame("qC"));
  b.turn();
  CHECK(contains(first.receive(), "QC1"));
  first.send(frame("c"));
  b.turn(1);
  CHECK_FALSE(b.server.halted());
}

TEST_CASE("the program's end is told") {
  auto b = std::make_unique<Bench>(true);
  Client gdb(b->server.address());
  gdb.send(frame("c"));
  b->turn(1);
  gdb.receive();
  b.reset();
  CHECK(contains(gdb.receive(), frame("W00")));
}

TEST_CASE("addresses that cannot be") {
  FakeTarget target;
  const auto message = [&](const std::string& address) -> std::string {
    try {
      Link link(address);
    } catch (const rdu::core::Error& e) {
      CHECK(e.kind() == rdu::core::ErrorKind::bad_input);
      return e.what();
    }
    return "accepted";
  };
  for (const char* bad : {"", "1234", "tcp:1234x", "tcp::", "tcp::70000", "tcp::-1", "tcp::12ab"}) {
    INFO(bad);
    CHECK(contains(message(bad), "tcp::PORT"));
  }
  CHECK(contains(message("tcp:no.such.host.invalid:1"), "cannot listen"));
  const Link first("tcp:127.0.0.1:0");
  CHECK(contains(message("tcp:" + first.address()), "in use"));
  CHECK(message(":0") == "accepted");
}
