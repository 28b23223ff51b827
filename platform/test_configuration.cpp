#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/error.h"
#include "platform/configuration.h"
#include "test/catch.h"

using namespace rdu::platform;
using Catch::Matchers::Contains;
using rdu::core::Parameter;
using rdu::core::Unit;

namespace {

struct Memory {
  uint64_t capacity = 1024;
  uint64_t bandwidth = 1000;
  uint64_t latency = 100;
  template <class V>
  void describe(V& v) {
    v(capacity, Parameter{"capacity", Unit::bytes, "Size", "ours", 1, uint64_t{1} << 40});
    v(bandwidth, Parameter{"bandwidth", Unit::bandwidth, "Rate", "ours", 1});
    v(latency, Parameter{"latency", Unit::time, "Delay", "ours"});
  }
};

struct Root {
  uint32_t tiles = 1;
  std::string fidelity = "fast";
  bool trace = false;
  Memory hbm;
  template <class V>
  void describe(V& v) {
    v(tiles, Parameter{"tiles", Unit::count, "Tiles", "ours", 1, 4});
    v(fidelity, Parameter{"fidelity", Unit::text, "Model", "ours", 0, 0, "fast|cycle|rtl"});
    v(trace, Parameter{"trace", Unit::flag, "Trace", "ours"});
    v.group("hbm", hbm);
  }
};

/// A file that is gone after the test.
class File {
 public:
  File(const char* name, const std::string& text) : path_(std::filesystem::temp_directory_path() / name) {
    std::ofstream(path_) << text;
  }
  ~File() { std::filesystem::remove(path_); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

struct Fixture {
  Root root;
  Configuration configuration;
  Fixture() { root.describe(configuration); }
  std::string error(const std::string& text) {
    File file("rdu_test_configuration.yaml", text);
    try {
      configuration.load(file.path());
    } catch (const rdu::core::Error& e) {
      return e.what();
    }
    return "";
  }
};

}  // namespace

TEST_CASE("quantities are exact and need their unit") {
  CHECK(parse_quantity("512 KiB", Unit::bytes, "x") == 524288);
  CHECK(parse_quantity("1.6GHz", Unit::frequency, "x") == 1600000000);
  CHECK(parse_quantity("0.625 ns", Unit::time, "x") == 625);
  CHECK(parse_quantity("1.8 TB/s", Unit::bandwidth, "x") == 1800000000000);
  CHECK(parse_quantity("4 cycles", Unit::cycles, "x") == 4);
  CHECK_THROWS_WITH(parse_quantity("512", Unit::bytes, "x"), Contains("needs a unit; one of: B, KB, KiB"));
  CHECK_THROWS_WITH(parse_quantity("5 parsec", Unit::time, "x"), Contains("unknown unit 'parsec'"));
  CHECK_THROWS_WITH(parse_quantity("0.3 ps", Unit::time, "x"), Contains("not a whole number"));
  CHECK_THROWS_WITH(parse_quantity("99999999999 TB", Unit::bytes, "x"), Contains("too large"));
  CHECK_THROWS_WITH(parse_quantity("many", Unit::count, "x"), Contains("not a number"));
  CHECK_THROWS_WITH(parse_quantity("-3", Unit::count, "x"), Contains("not a number"));
  for (uint64_t v :
       {uint64_t{1}, uint64_t{1536}, uint64_t{68719476736}, uint64_t{1600000000000}, uint64_t{123456789}}) {
    CHECK(parse_quantity(format_quantity(v, Unit::bytes), Unit::bytes, "x") == v);
  }
}

TEST_CASE_METHOD(Fixture, "a file sets what it names") {
  File base("rdu_test_base.yaml", "tiles: 2\nhbm:\n  latency: 5 ns\n");
  CHECK(error("include: rdu_test_base.yaml\nfidelity: rtl\ntrace: true\nhbm:\n  capacity: 16 GiB\n").empty());
  CHECK(root.tiles == 2);
  CHECK(root.fidelity == "rtl");
  CHECK(root.trace);
  CHECK(root.hbm.capacity == uint64_t{16} << 30);
  CHECK(root.hbm.latency == 5000);
  configuration.set("hbm.bandwidth=400 GB/s");
  CHECK(root.hbm.bandwidth == 400000000000);
}

TEST_CASE_METHOD(Fixture, "mistakes are named with file, line and the closest key") {
  CHECK_THAT(error("tiles: 2\nhbn:\n  capacity: 1 GiB\n"),
             Contains("configuration.yaml:2: unknown key 'hbn' (did you mean 'hbm'?)"));
  CHECK_THAT(error("hbm:\n  capcity: 1 GiB\n"),
             Contains(":2: unknown key 'hbm.capcity' (did you mean 'hbm.capacity'?)"));
  CHECK_THAT(error("latency: 1 ns\n"), Contains("did you mean 'hbm.latency'?"));
  CHECK_THAT(error("tiles: 9\n"), Contains(":1: tiles: 9 is outside 1 .. 4"));
  CHECK_THAT(error("hbm: 3\n"), Contains(":1: hbm is a group of keys"));
  CHECK_THAT(error("tiles: [1, 2]\n"), Contains("takes one value"));
  CHECK_THAT(error("tiles: 1\ntiles: 2\n"), Contains("twice"));
  CHECK_THAT(error("fidelity: slow\n"), Contains("none of fast|cycle|rtl"));
  CHECK_THAT(error("trace: perhaps\n"), Contains("neither true nor false"));
  CHECK_THAT(error("hbm:\n  capacity: {\n"), Contains("configuration.yaml:"));
  CHECK_THAT(error("- a\n- b\n"), Contains("should be a mapping"));
  CHECK_THROWS_WITH(configuration.load("/nonexistent.yaml"), Contains("/nonexistent.yaml: cannot be read"));
  CHECK_THROWS_WITH(configuration.set("hbm.latncy=1 ns"), Contains("did you mean 'hbm.latency'?"));
  CHECK_THROWS_WITH(configuration.set("tiles"), Contains("PATH=VALUE"));
  CHECK_THAT(error("include: rdu_test_configuration.yaml\n"), Contains("includes itself"));
}

TEST_CASE_METHOD(Fixture, "the list shows every parameter with its unit and source") {
  std::ostringstream out;
  configuration.list(out);
  CHECK_THAT(out.str(),
             Contains("hbm.capacity") && Contains("1 KiB") && Contains("ours") && Contains("fast|cycle|rtl"));
}
