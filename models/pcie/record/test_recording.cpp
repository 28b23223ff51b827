// The file: what goes in comes out, and nothing else does, whatever becomes of the bytes.
#include "pcie/record/recording.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <random>

#include "test/catch.h"
#include "test/seed.h"

using namespace rdu::pcie::record;
using rdu::pcie::vfio_user::Request;
using Bytes = std::vector<uint8_t>;

namespace {

class TemporaryFile {
 public:
  TemporaryFile() { ::close(::mkstemp(name_)); }
  ~TemporaryFile() { ::unlink(name_); }
  const char* name() const { return name_; }
  Bytes bytes() const {
    std::ifstream in(name_, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(in), {});
  }

 private:
  char name_[32] = "/tmp/rdu-recording-XXXXXX";
};

Record request(uint64_t number, uint64_t time, Request::Kind kind) {
  Record r;
  r.kind = Record::Kind::request;
  r.time = time;
  r.settled = number % 2;
  r.hash = number * 0x9e3779b97f4a7c15u;
  r.number = number;
  r.request.kind = kind;
  r.request.number = number;
  return r;
}

/// One of each kind, with numbers of every length.
std::vector<Record> all_kinds() {
  std::vector<Record> records;
  records.push_back(request(1, 0, Request::Kind::kConnect));
  Record r = request(2, 127, Request::Kind::kRegionRead);
  r.request.region = 7;
  r.request.offset = 0x1234567890;
  r.request.size = 4;
  records.push_back(r);
  r = Record();
  r.kind = Record::Kind::answer;
  r.time = 1'000'000;
  r.number = 2;
  r.data = {1, 2, 3, 4};
  records.push_back(r);
  r = request(3, 1'000'000, Request::Kind::kRegionWrite);
  r.request.data = Bytes(1 << 20, 0x5a);
  r.request.size = 1 << 20;
  records.push_back(r);
  r = Record();
  r.kind = Record::Kind::answer;
  r.time = 1'000'000;
  r.number = 3;
  r.error = 22;
  records.push_back(r);
  r = request(4, 2'000'000, Request::Kind::kDmaMap);
  r.request.offset = 4096;
  r.request.iova = ~uint64_t{0} << 12;
  r.request.length = 4096;
  r.request.flags = 3;
  records.push_back(r);
  r = request(5, 2'000'000, Request::Kind::kDmaUnmap);
  r.request.flags = 2;
  records.push_back(r);
  r = request(6, 2'000'000, Request::Kind::kSetIrqs);
  r.request.region = 2;
  r.request.flags = 0x24;
  r.request.start = 1;
  r.request.size = 2;
  r.descriptors = {1, 0};
  records.push_back(r);
  records.push_back(request(7, 2'000'001, Request::Kind::kReset));
  for (const Record::Kind kind : {Record::Kind::dma_read, Record::Kind::dma_write}) {
    r = Record();
    r.kind = kind;
    r.time = uint64_t{1} << 50;
    r.at = r.time + 77;
    r.address = 0xfffffffffffffff0;
    r.size = 3;
    r.data = {7, 8, 9};
    records.push_back(r);
    r.error = 14;
    r.data.clear();
    records.push_back(r);
  }
  r = Record();
  r.kind = Record::Kind::interrupt;
  r.time = uint64_t{1} << 50;
  r.index = 2;
  r.vector = 15;
  records.push_back(r);
  records.push_back(request(9, uint64_t{1} << 60, Request::Kind::kDisconnect));
  r = Record();
  r.kind = Record::Kind::end;
  r.time = uint64_t{1} << 60;
  r.settled = true;
  r.hash = 42;
  r.text = "stopped";
  records.push_back(r);
  return records;
}

bool equal(const Record& a, const Record& b) {
  const auto& p = a.request;
  const auto& q = b.request;
  return a.kind == b.kind && a.time == b.time && a.settled == b.settled && a.hash == b.hash &&
         a.number == b.number && a.error == b.error && a.at == b.at && a.address == b.address &&
         a.size == b.size && a.data == b.data && a.index == b.index && a.vector == b.vector &&
         a.text == b.text && a.descriptors == b.descriptors && p.kind == q.kind && p.number == q.number &&
         p.region == q.region && p.offset == q.offset && p.size == q.size && p.data == q.data &&
         p.iova == q.iova && p.length == q.length && p.flags == q.flags && p.start == q.start;
}

/// Records that come out of the bytes are those that went in, in order; gives how many.
size_t read_all(const Bytes& bytes, const std::vector<Record>& expected, std::string& damage) {
  RecordingReader reader("test", bytes);
  size_t count = 0;
  while (auto record = reader.read()) {
    REQUIRE(count < expected.size());
    REQUIRE(equal(*record, expected[count]));
    ++count;
  }
  damage = reader.damage();
  return count;
}

Bytes written(const std::vector<Record>& records, bool flush_each) {
  TemporaryFile file;
  {
    RecordingWriter writer(file.name(), "{\"is\": \"a header\"}");
    for (const Record& record : records) {
      writer.write(record);
      if (flush_each) writer.flush();
    }
  }
  return file.bytes();
}

}  // namespace

TEST_CASE("recording: what goes in comes out") {
  const auto records = all_kinds();
  const Bytes bytes = written(records, GENERATE(false, true));
  CHECK(bytes.size() < 2000);  // the million bytes of one value, too
  CHECK(RecordingReader("test", bytes).header() == "{\"is\": \"a header\"}");
  std::string damage;
  CHECK(read_all(bytes, records, damage) == records.size());
  CHECK(damage.empty());
}

TEST_CASE("recording: cut off anywhere, what is whole can be used") {
  const auto records = all_kinds();
  const Bytes bytes = written(records, true);
  size_t header = 0, most = 0;
  for (size_t length = 0; length < bytes.size(); ++length) {
    const Bytes part(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
    try {
      std::string damage;
      const size_t count = read_all(part, records, damage);
      CHECK(count >= most);
      CHECK(count < records.size());
      CHECK(damage.find("test: ") == 0);
      most = count;
    } catch (const RecordingError&) {
      header = length;
    }
  }
  CHECK(header < 60);
  CHECK(most == records.size() - 1);
}

TEST_CASE("recording: a damaged byte is noticed, whichever it is") {
  const auto records = all_kinds();
  const Bytes bytes = written(records, true);
  for (size_t at = 0; at < bytes.size(); ++at) {
    Bytes damaged = bytes;
    damaged[at] ^= 0x20;
    try {
      std::string damage;
      const size_t count = read_all(damaged, records, damage);
      CHECK(count < records.size());
      CHECK_FALSE(damage.empty());
    } catch (const RecordingError&) {
    }
  }
}

TEST_CASE("recording: bytes at random are refused or damaged, never more") {
  std::mt19937 random(test_seed());
  const Bytes start = written({all_kinds()[0]}, true);
  for (int i = 0; i < 2000; ++i) {
    Bytes bytes = start;
    for (size_t n = random() % 100; n > 0; --n) bytes.push_back(static_cast<uint8_t>(random()));
    for (size_t n = random() % 4; n > 0; --n) bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    try {
      RecordingReader reader("test", bytes);
      while (reader.read()) continue;
    } catch (const RecordingError&) {
    }
  }
}

TEST_CASE("recording: what cannot be written or read is an error with the file's name") {
  CHECK_THROWS_AS(RecordingWriter("/no/such/folder/file", "{}"), RecordingError);
  CHECK_THROWS_AS(RecordingReader("/no/such/file"), RecordingError);
  CHECK_THROWS_AS(RecordingWriter("/dev/full", "{}"), RecordingError);
}
