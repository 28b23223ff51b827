#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <random>
#include <set>

#include "mgmt/debug/hex.h"
#include "mgmt/debug/packet.h"
#include "mgmt/debug/session.h"
#include "mgmt/debug/target_description.h"
#include "test/catch.h"
#include "test/seed.h"

using namespace rdu::mgmt::debug;

namespace {

/// Two harts with 33 registers, two CSRs and 4 KiB of memory at 0x1000; stops when it is told to.
class FakeTarget : public Target {
 public:
  FakeTarget() {
    for (unsigned i = 0; i < 33; ++i) {
      info_.push_back(
          {i, i == 32 ? "pc" : "x" + std::to_string(i), 64, "int", "general", "org.gnu.gdb.riscv.cpu"});
    }
    info_.push_back({65 + 0x300, "mstatus", 64, "int", "csr", "org.gnu.gdb.riscv.csr"});
    info_.push_back({65 + 0x001, "fflags", 32, "int", "csr", "org.gnu.gdb.riscv.csr"});
  }

  unsigned threads() const override { return 2; }
  std::string thread_info(unsigned thread) const override { return "hart " + std::to_string(thread - 1); }
  const std::vector<RegisterInfo>& registers() const override { return info_; }
  std::optional<uint64_t> read_register(unsigned thread, unsigned number) override {
    if (number == 65 + 0x001) return std::nullopt;
    return values[{thread, number}];
  }
  bool write_register(unsigned thread, unsigned number, uint64_t value) override {
    if (number == 65 + 0x300) return false;
    values[{thread, number}] = value;
    return true;
  }
  bool read_memory(unsigned, Space space, uint64_t address, uint8_t* data, size_t size) override {
    const uint64_t offset = address - base(space);
    if (offset > memory.size() || size > memory.size() - offset) return false;
    std::copy_n(memory.begin() + static_cast<std::ptrdiff_t>(offset), size, data);
    return true;
  }
  bool write_memory(unsigned, Space space, uint64_t address, const uint8_t* data, size_t size) override {
    const uint64_t offset = address - base(space);
    if (offset > memory.size() || size > memory.size() - offset) return false;
    std::copy_n(data, size, memory.begin() + static_cast<std::ptrdiff_t>(offset));
    return true;
  }
  bool insert(Point point, uint64_t address, uint64_t length) override {
    if (address == 0xbad) return false;
    points.insert({point, {address, length}});
    return true;
  }
  void remove(Point point, uint64_t address, uint64_t length) override {
    points.erase({point, {address, length}});
  }
  void remove_all() override { points.clear(); }
  void resume(const std::vector<Action>& actions) override { resumed.push_back(actions); }
  void interrupt() override { ++interrupts; }
  std::optional<Stop> poll() override { return std::nullopt; }

  static uint64_t base(Space space) { return space == Space::physical ? 0x8000'0000 : 0x1000; }

  std::map<std::pair<unsigned, unsigned>, uint64_t> values;
  std::vector<uint8_t> memory = std::vector<uint8_t>(4096);
  std::set<std::pair<Point, std::pair<uint64_t, uint64_t>>> points;
  std::vector<std::vector<Action>> resumed;
  int interrupts = 0;

 private:
  std::vector<RegisterInfo> info_;
};

/// A debugger at the other end.
class Client {
 public:
  Client() { session.open(); }

  /// Sends a packet; gives the replies that came, without acknowledgements.
  std::deque<std::string> send(const std::string& payload) {
    raw(frame(payload));
    return take();
  }
  /// The same where one reply must come.
  std::string ask(const std::string& payload) {
    const auto replies = send(payload);
    REQUIRE(replies.size() == 1);
    return replies.front();
  }
  void raw(const std::string& bytes) {
    session.receive(bytes.data(), bytes.size());
    session.work();
  }
  std::deque<std::string> take() {
    PacketReader reader;
    reader.feed(sent.data(), sent.size());
    std::deque<std::string> out;
    acks = nacks = 0;
    for (;;) {
      const auto event = reader.next();
      if (event == PacketReader::Event::none) break;
      REQUIRE(event != PacketReader::Event::damaged);
      if (event == PacketReader::Event::packet) out.push_back(reader.payload());
      if (event == PacketReader::Event::ack) ++acks;
      if (event == PacketReader::Event::nack) ++nacks;
    }
    sent.clear();
    return out;
  }

  FakeTarget target;
  std::string sent;
  std::string monitored;
  int acks = 0, nacks = 0;
  Session session{target,
                  [this](const std::string& line) {
                    monitored = line;
                    return line == "long" ? std::string(20000, 'x') : "did " + line + "\n";
                  },
                  [this](const std::string& bytes) { sent += bytes; }};
};

std::string le(uint64_t value) {
  return to_hex(&value, 8);
}

}  // namespace

TEST_CASE("framing: checksum, escapes, and what travels between packets") {
  CHECK(frame("OK") == "$OK#9a");
  CHECK(frame("") == "$#00");
  CHECK(frame("a#b") == std::string("$a}\x03") + "b#43");
  PacketReader reader;
  const std::string bytes =
      "++garbage$OK#9a\x03-$a}\x03"
      "b#43$x#00$lost$OK#9a$OK#9";
  reader.feed(bytes.data(), bytes.size());
  using Event = PacketReader::Event;
  for (const Event expected : {Event::ack, Event::ack, Event::packet, Event::interrupt, Event::nack,
                               Event::packet, Event::damaged, Event::packet, Event::none}) {
    const Event event = reader.next();
    CHECK(event == expected);
    if (event == Event::packet) CHECK((reader.payload() == "OK" || reader.payload() == "a#b"));
  }
  reader.feed("a", 1);  // the last digit arrives by itself
  CHECK(reader.next() == Event::packet);
  const std::string huge = "$" + std::string(kPacketSize + 1, 'a') + "#00$OK#9a";
  reader.feed(huge.data(), huge.size());
  CHECK(reader.next() == Event::damaged);
  CHECK(reader.next() == Event::packet);
}

TEST_CASE("acknowledgements until the debugger waives them") {
  Client c;
  CHECK(c.ask("qC") == "QC1");
  CHECK(c.acks == 1);
  c.raw("-");  // it did not get that
  CHECK(c.take() == std::deque<std::string>{"QC1"});
  c.raw("$qC#00");
  CHECK(c.take().empty());
  CHECK(c.nacks == 1);
  CHECK(c.ask("QStartNoAckMode") == "OK");
  CHECK(c.acks == 1);  // this one still
  CHECK(c.ask("qC") == "QC1");
  CHECK(c.acks == 0);
  c.raw("$qC#00");
  CHECK(c.sent.empty());
  c.session.open();  // the next debugger begins anew
  CHECK(c.ask("qC") == "QC1");
  CHECK(c.acks == 1);
}

TEST_CASE("what the stub offers, and how it refuses the rest") {
  Client c;
  const std::string features = c.ask("qSupported:multiprocess+;swbreak+;hwbreak+;xmlRegisters=i386");
  for (const char* feature :
       {"PacketSize=4000", "QStartNoAckMode+", "qXfer:features:read+", "swbreak+", "hwbreak+"}) {
    CHECK(features.find(feature) != std::string::npos);
  }
  CHECK(c.ask("vCont?") == "vCont;c;C;s;S;t");
  CHECK(c.ask("qAttached") == "1");
  CHECK(c.ask("qSymbol::") == "OK");
  for (const char* unknown :
       {"vMustReplyEmpty", "qTStatus", "qOffsets", "!", "R00", "QNonStop:1", "x", "", "bs"}) {
    CHECK(c.ask(unknown).empty());
  }
}

TEST_CASE("the target description, in parts") {
  Client c;
  std::string document;
  for (;;) {
    const std::string part = c.ask("qXfer:features:read:target.xml:" + [&] {
      char text[32];
      std::snprintf(text, sizeof text, "%zx,3e8", document.size());
      return std::string(text);
    }());
    document += part.substr(1);
    CHECK(part.size() <= 1001);
    if (part[0] == 'l') break;
    REQUIRE(part[0] == 'm');
  }
  CHECK(document == target_description(c.target.registers()));
  CHECK(document.find("riscv:rv64") != std::string::npos);
  CHECK(document.find("name=\"mstatus\" bitsize=\"64\" regnum=\"833\"") != std::string::npos);
  CHECK(c.ask("qXfer:features:read:other.xml:0,100") == "E00");
  CHECK(c.ask("qXfer:features:read:target.xml:fffff,100") == "E16");
  CHECK(c.ask("qXfer:features:read:target.xml:zz") == "E16");
  CHECK(c.ask("qXfer:auxv:read::0,100").empty());
  CHECK(c.ask("qXfer:threads:read::0,1000").find("<thread id=\"2\"") != std::string::npos);
}

TEST_CASE("registers, all and each, of each thread") {
  Client c;
  for (unsigned i = 0; i < 33; ++i) {
    c.target.values[{1, i}] = 0x100 + i;
    c.target.values[{2, i}] = 0x200 + i;
  }
  const std::string all = c.ask("g");
  REQUIRE(all.size() == 33 * 16);
  CHECK(all.substr(32 * 16) == le(0x120));
  CHECK(c.ask("p2") == le(0x102));
  CHECK(c.ask("Hg2") == "OK");
  CHECK(c.ask("p2") == le(0x202));
  CHECK(c.ask("P2=" + le(0xdeadbeefcafe)) == "OK");
  CHECK(c.target.values[{2, 2}] == 0xdeadbeefcafe);
  CHECK(c.target.values[{1, 2}] == 0x102);
  CHECK(c.ask("G" + all) == "OK");
  CHECK(c.target.values[{2, 2}] == 0x102);
  CHECK(c.ask("p42") == "xxxxxxxx");       // fflags has no value here
  CHECK(c.ask("P341=" + le(1)) == "E0e");  // mstatus cannot be written here
  CHECK(c.ask("p999") == "E0e");
  for (const char* bad :
       {"p", "pzz", "p1x", "P2", "P2=12", "P2=zz", "G12", "g1", "Hg3", "Hx1", "Hg", "H", "Hgfoo"}) {
    INFO(bad);
    CHECK(c.ask(bad) == "E16");
  }
  CHECK(c.ask("G" + all + "00") == "E16");
  CHECK(c.ask("Hg-1") == "OK");
  CHECK(c.ask("Hg0") == "OK");
  CHECK(c.ask("T2") == "OK");
  CHECK(c.ask("T3") == "E16");
  CHECK(c.ask("qThreadExtraInfo,2") == to_hex("hart 1"));
  CHECK(c.ask("qThreadExtraInfo,9") == "E16");
}

TEST_CASE("memory in text and in binary, and what is not there") {
  Client c;
  CHECK(c.ask("M1004,4:01020304") == "OK");
  CHECK(c.target.memory[6] == 3);
  CHECK(c.ask("m1003,6") == "000102030400");
  CHECK(c.ask("m1fff,1") == "00");
  CHECK(c.ask("m1fff,2") == "E0e");
  CHECK(c.ask("m0,4") == "E0e");
  CHECK(c.ask("mffffffffffffffff,2") == "E0e");
  const std::string binary = std::string("X1010,5:") + "}$#*" + '\0';
  CHECK(c.ask(binary) == "OK");
  CHECK(c.target.memory[0x10] == '}');
  CHECK(c.target.memory[0x13] == '*');
  CHECK(c.ask("X1010,0:") == "OK");
  CHECK(c.ask("X3000,1:a") == "E0e");
  for (const char* bad : {"m", "m1000", "m1000,", "m1000,1,", "m10000000000000000,1", "mg,1", "M1000,2:00",
                          "M1000,1:0", "M1000,1", "X1000,2:a", "X1000:a"}) {
    INFO(bad);
    CHECK(c.ask(bad) == "E16");
  }
  CHECK(c.ask("qqemu.PhyMemMode") == "0");
  CHECK(c.ask("Qqemu.PhyMemMode:1") == "OK");
  CHECK(c.ask("qqemu.PhyMemMode") == "1");
  CHECK(c.ask("m80000004,1") == "01");
  CHECK(c.ask("m1004,1") == "E0e");
  CHECK(c.ask("Qqemu.PhyMemMode:2") == "E16");
}

TEST_CASE("points are inserted and taken away") {
  Client c;
  for (const char kind : {'0', '1', '2', '3', '4'}) {
    CHECK(c.ask(std::string("Z") + kind + ",1000,4") == "OK");
  }
  CHECK(c.target.points.size() == 5);
  CHECK(c.ask("z2,1000,4") == "OK");
  CHECK(c.ask("z2,1000,4") == "OK");  // twice does no harm
  CHECK(c.target.points.size() == 4);
  CHECK(c.ask("Z0,bad,4") == "E0e");
  CHECK(c.ask("Z5,1000,4").empty());
  CHECK(c.ask("Z0,1000,4;X3,220027").empty());  // conditions are not offered
  for (const char* bad :
       {"Z", "Z0", "Z0,", "Z0,1000", "Z0,1000,", "Z2,1000,0", "Z2,ffffffffffffffff,2", "z"}) {
    INFO(bad);
    CHECK(c.ask(bad) == "E16");
  }
}

TEST_CASE("running, stepping, and stopping") {
  Client c;
  c.ask("qSupported:swbreak+");
  CHECK(c.ask("?") == "T05thread:1;02:" + le(0) + ";08:" + le(0) + ";20:" + le(0) + ";");
  c.target.values[{2, 32}] = 0x1234;

  CHECK(c.send("vCont;s:2;c").empty());
  CHECK(c.target.resumed.back() == std::vector<Action>{Action::run, Action::step});
  CHECK(c.session.running());
  c.session.stopped({2, Stop::Why::step, Point::software, 0});
  std::string reply = c.take().front();
  CHECK(reply.rfind("T05thread:2;", 0) == 0);
  CHECK(reply.find("20:" + le(0x1234)) != std::string::npos);
  CHECK(c.ask("qC") == "QC2");

  CHECK(c.send("vCont;c").empty());
  CHECK(c.target.resumed.back() == std::vector<Action>{Action::run, Action::run});
  c.raw("\x03");
  CHECK(c.target.interrupts == 1);
  c.session.stopped({1, Stop::Why::interrupt, Point::software, 0});
  CHECK(c.take().front().rfind("T02thread:1;", 0) == 0);
  c.raw("\x03");  // too late: nothing happens
  CHECK(c.target.interrupts == 1);

  CHECK(c.send("vCont;s:1").empty());  // the other stands
  CHECK(c.target.resumed.back() == std::vector<Action>{Action::step, Action::hold});
  c.session.stopped({1, Stop::Why::point, Point::software, 0x10});
  CHECK(c.take().front().rfind("T05swbreak:;thread:1;", 0) == 0);

  CHECK(c.send("c").empty());
  CHECK(c.target.resumed.back() == std::vector<Action>{Action::run, Action::run});
  c.session.stopped({1, Stop::Why::point, Point::access, 0x1008});
  CHECK(c.take().front().rfind("T05awatch:1008;thread:1;", 0) == 0);

  CHECK(c.ask("Hc2") == "OK");
  CHECK(c.send("s2000").empty());
  CHECK(c.target.resumed.back() == std::vector<Action>{Action::hold, Action::step});
  CHECK(c.target.values[{1, 32}] == 0x2000);
  c.session.stopped({2, Stop::Why::step, Point::software, 0});
  c.take();

  CHECK(c.send("C05").empty());
  c.session.stopped({1, Stop::Why::interrupt, Point::software, 0});
  c.take();
  const size_t before = c.target.resumed.size();
  for (const char* bad : {"vCont;", "vCont;x", "vCont;c:9", "vCont;t", "vCont;c:", "vCont;s:1;q", "vCont;C",
                          "czz", "C", "Sx", "s1000x"}) {
    INFO(bad);
    CHECK(c.ask(bad) == "E16");
  }
  CHECK(c.target.resumed.size() == before);
  CHECK_FALSE(c.session.running());
}

TEST_CASE("a command while the machine runs stops it first") {
  Client c;
  c.send("c");
  CHECK(c.send("g").empty());
  CHECK(c.target.interrupts == 1);
  c.session.stopped({1, Stop::Why::interrupt, Point::software, 0});
  c.session.work();
  const auto replies = c.take();
  REQUIRE(replies.size() == 2);
  CHECK(replies[0].rfind("T02", 0) == 0);
  CHECK(replies[1].size() == 33 * 16);
}

TEST_CASE("monitor commands, detach and kill") {
  Client c;
  auto replies = c.send("qRcmd," + to_hex("regs UART0"));
  REQUIRE(replies.size() == 2);
  CHECK(replies[0] == "O" + to_hex("did regs UART0\n"));
  CHECK(replies[1] == "OK");
  CHECK(c.monitored == "regs UART0");
  replies = c.send("qRcmd," + to_hex("long"));  // more than a packet
  std::string text;
  for (const auto& reply : replies) {
    CHECK(reply.size() <= kPacketSize);
    if (reply[0] == 'O' && reply != "OK") text += *from_hex(reply.substr(1));
  }
  CHECK(text == std::string(20000, 'x'));
  CHECK(c.ask("qRcmd,6g") == "E16");
  CHECK(c.ask("D") == "OK");
  CHECK(c.session.detached());
  Client other;
  CHECK(other.send("k").empty());
  CHECK(other.session.killed());
  Client third;
  CHECK(third.ask("vKill;1") == "OK");
  CHECK(third.session.killed());
  Client fourth;
  fourth.send("c");
  fourth.session.ended();
  CHECK(fourth.take() == std::deque<std::string>{"W00"});
}

TEST_CASE("random packets harm nobody and are all answered") {
  INFO("RDU_SEED=" << test_seed());
  std::mt19937 random(static_cast<uint32_t>(test_seed()));
  const char* const kStarts[] = {"g",
                                 "G",
                                 "p",
                                 "P",
                                 "m",
                                 "M",
                                 "X",
                                 "Z0",
                                 "Z2",
                                 "z",
                                 "H",
                                 "T",
                                 "qXfer:features:read:",
                                 "qRcmd,",
                                 "qThreadExtraInfo,",
                                 "QStart",
                                 "qSupported:",
                                 "v",
                                 "vCont;",
                                 "",
                                 "?",
                                 "Qqemu.PhyMemMode:"};
  const std::string kLetters = "0123456789abcdef,;:=-gcstpq}#$*+\x03 ";
  Client c;
  for (int i = 0; i < 20000; ++i) {
    std::string payload = kStarts[random() % std::size(kStarts)];
    for (unsigned n = random() % 20; n > 0; --n) {
      payload += random() % 8 == 0 ? static_cast<char>(random()) : kLetters[random() % kLetters.size()];
    }
    const bool is_monitor = payload.rfind("qRcmd,", 0) == 0;
    const auto replies = c.send(payload);
    INFO("payload " << to_hex(payload));
    if (c.session.running()) {
      CHECK(replies.empty());
      c.session.stopped({1, Stop::Why::interrupt, Point::software, 0});
      c.take();
    } else if (c.session.killed()) {
      c.session.open();
      c.sent.clear();
    } else {
      CHECK((replies.size() == 1 || is_monitor));
    }
    // And bytes that are no packets at all.
    std::string noise;
    for (unsigned n = random() % 10; n > 0; --n) noise += static_cast<char>(random() % 255 + 1);
    c.raw(noise + "#00$#00");
    c.sent.clear();
    if (c.session.detached() || c.session.killed()) c.session.open();
  }
}
