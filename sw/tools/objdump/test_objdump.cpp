#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "compiler/compile.h"
#include "compiler/programs/digits.h"
#include "compiler/programs/matmul.h"
#include "compiler/programs/softmax.h"
#include "test/catch.h"
#include "tools/objdump/decode.h"
#include "tools/objdump/explain.h"
#include "tools/objdump/floorplan.h"
#include "tools/objdump/listing.h"

using namespace rdu::compiler;
using namespace rdu::tools;
using Catch::Matchers::Contains;

namespace {

struct Run {
  int status;
  std::string output;  ///< both streams
};

Run objdump(const std::string& arguments) {
  Run run{-1, ""};
  std::FILE* pipe = popen((std::string(RDU_OBJDUMP) + " " + arguments + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> buffer;
  for (size_t n; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    run.output.append(buffer.data(), n);
  const int status = pclose(pipe);
  run.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return run;
}

/// load -> PCU -> store on two rows of two cells; small enough to compare its listing whole.
Program small_program() {
  Graph g("scale", "y = max(2.5 x, x)");
  const Value x = g.address("x", "input [rows][32] BF16", 2);
  const Value y = g.address("y", "result [rows][32] BF16", 2);
  const Value rows = g.number("rows", "rows", 1, 1000);
  Load load;
  load.base = x;
  load.rows = {{rows, 64}};
  Store store;
  store.base = y + 128;
  store.rows = {{rows, 64}};
  Simd simd;
  simd.vectors = rows;
  simd.in[0] = Format::bf16;
  simd.out = Format::bf16;
  simd.stages = {{Op::fmul, Operand::in0, Operand::const1, 2}, {Op::fmax, Operand::reg2, Operand::in0}};
  simd.constants[1] = 2.5f;
  const Node a = g.add("in", load), b = g.add("pcu", simd), c = g.add("out", store);
  g.connect(a, b);
  g.connect(b, c);
  Target target;
  target.shape = {2, 2, 1};
  return compile(g, target);
}

}  // namespace

TEST_CASE("listings of a small program") {
  const Program p = small_program();
  CHECK(header_listing(p) ==
        "kernel      scale: y = max(2.5 x, x)\n"
        "tile        2 rows x 2 columns, 1 vector channels per direction\n"
        "uses        1 of 4 PCUs, 0 of 4 PMUs, 1 of 4 load and 1 of 4 store generators\n"
        "streams     2, on 0 of 8 channels between switches\n"
        "stream      768 bytes of configuration\n");
  CHECK(argument_listing(p) ==
        "x     address  input [rows][32] BF16 (a multiple of 2); sets 1 register\n"
        "y     address  result [rows][32] BF16 (a multiple of 2); sets 1 register\n"
        "rows  number   rows (1 to 1000); sets 3 registers\n");
  CHECK(unit_listing(p) ==
        "in    AGCU 0.E   load   rows of 64 bytes from [x]: [rows] by +64\n"
        "pcu   PCU 0.1    pcu    SIMD [rows] vectors of 32 lanes: FMUL IN0, 2.5 -> REG2; FMAX REG2, IN0; to "
        "BF16\n"
        "out   AGCU 0.E   store  rows of 64 bytes to [y + 128]: [rows] by +64\n");
  CHECK(route_listing(p, true) ==
        "in   -> pcu input 0  (1 switch)\n"
        "    SW 0.1    AGCU flow 0 -> PCU input 0 flow 0\n"
        "pcu  -> out  (1 switch)\n"
        "    SW 0.1    PCU output 0 flow 0 -> AGCU input 0 flow 0\n"
        "out  => done token 0 of the master AGCU  (2 switches)\n"
        "    SW 0.1    store -> west 0\n"
        "    SW 0.0    east 0 -> AGCU token input 0\n");
  CHECK(floorplan(p, false) ==
        "       column 0  column 1\n"
        "      +---------+---------+\n"
        "      |.        |c pcu    | L in   row 0\n"
        "      |.        |.        | S out\n"
        "      +---------+---------+\n"
        "      |.        |.        |        row 1\n"
        "      |.        |.        |\n"
        "      +---------+---------+\n"
        "\n"
        "C PCU, matrix   c PCU, SIMD   M PMU   L AGCU load   S AGCU store   n> <n nv n^ streams that cross a "
        "border\n");
  CHECK_THAT(floorplan(p, true), Contains("\033[36mc pcu\033[0m"));
  const std::string words = disassembly(p);
  CHECK_THAT(words, Contains("PCU 0.1  pcu\n    0x000  PROGRAM[0].MODE          00200201          "
                             "MODE=SIMD FIRST=0 STAGES=2 LANES=32 TAIL=NONE\n"));
  CHECK_THAT(words, Contains("STAGE[0]                 14009084          FMUL IN0, 2.5 -> REG2\n"));
  CHECK_THAT(words, Contains("CONST[1]                 40200000          2.5\n"));
  CHECK_THAT(words, Contains("PROGRAM[0].COUNT[0]      00000001          1   <- rows\n"));
  CHECK_THAT(words, Contains("STORE_BASE               0000000000000080  128   <- y + 128\n"));
  CHECK_THAT(words, Contains("from AGCU, flow 0: to PCU input 0, flow 0\n"));
  CHECK_THAT(words, Contains("token from store: to west 0\n"));
  const auto json = nlohmann::json::parse(json_listing(p));
  CHECK(json.at("kernel") == "scale");
  CHECK(json.at("units").size() == 3);
  CHECK(json.at("configuration").at("PCU 0.1").at("PROGRAM[0].COUNT[0]").at("argument") == "rows");
}

TEST_CASE("units in a log get the program's names") {
  const Program p = small_program();
  CHECK(explain(p, "x: pcu[0][1] waits for agcu_east[0], pmu[0][1] and pcu[1][1]\n") ==
        "x: pcu[0][1] 'pcu' waits for agcu_east[0] 'in', 'out', pmu[0][1] and pcu[1][1]\n");
  CHECK(explain(p, "pcu[0] agcu_east[0][1] pcu[99999999999][1] pcu[").find('\'') == std::string::npos);
  CHECK(explain(p, "").empty());
}

TEST_CASE("arguments in formulas") {
  Argument a;
  a.name = "n";
  const auto text = [&](uint64_t multiply, uint64_t add, uint64_t divide, uint64_t scale, uint64_t offset) {
    Fixup f;
    f.multiply = multiply, f.add = add, f.divide = divide, f.scale = scale, f.offset = offset;
    return formula(a, f);
  };
  CHECK(text(1, 0, 1, 1, 0) == "n");
  CHECK(text(2, 0, 1, 1, 5) == "n * 2 + 5");
  CHECK(text(1, 18, 24, 4, 0) == "(n + 18) / 24 * 4");
  CHECK(text(3, 1, 1, 4, 1) == "(n * 3 + 1) * 4 + 1");
}

TEST_CASE("SIMD units with counters and predicates, and INT8 products") {
  const std::string units = unit_listing(compile(programs::softmax(8)));
  CHECK_THAT(units,
             Contains("SIMD 8 x [rows] vectors of 32 lanes: FMAX IN0, REG0 (IN0 if first of 0) -> REG0; "
                      "FRED_MAX PREV; to FP32 if last of 0"));
  CHECK_THAT(
      units,
      Contains("SIMD 8 x [rows] vectors of 32 lanes: take IN1 if first of 0; FSUB IN0, IN1; EXP; to FP32"));
  CHECK_THAT(
      units,
      Contains("FADD IN0, REG0 (0 if first of 0) -> REG0; FRED_SUM PREV; RECIP; to FP32 if last of 0"));

  Graph g("kinds", "");
  Load load;
  load.base = g.address("x", "", 64);
  load.rows = {{12, 64}};
  Simd simd;
  simd.vectors = 4;
  simd.inner = {3};
  simd.in[0] = Format::int8;
  simd.out = Format::int8;
  simd.constants[2] = -5;
  simd.stages.resize(2);
  simd.stages[0] = {Op::imul, Operand::in0, Operand::const2, 1};
  simd.stages[0].when = !Predicate::equal(0, 1);
  simd.stages[1] = {Op::fmadd, Operand::count1, Operand::prev, 3, Operand::reg3};
  simd.stages[1].replace_b = Predicate::less(1, 2);
  Matrix product;
  product.k = 12;
  product.int8 = true;
  product.out = Format::int32;
  Store store;
  store.base = g.address("y", "", 64);
  store.rows = {{12, 64}};
  const Node in = g.add("in", load), pcu = g.add("pcu", simd), n = g.add("n", product),
             out = g.add("out", store);
  g.connect(in, pcu);
  g.connect(in, n, 0);
  g.connect(pcu, n, 1);
  g.connect(n, out);
  const std::string kinds = unit_listing(compile(g));
  CHECK_THAT(kinds, Contains("SIMD 3 x 4 vectors of 32 lanes: IMUL IN0, -5 -> REG1 if COUNT0 != 1; "
                             "FMADD COUNT1, PREV, REG3 (0 if COUNT1 < 2) -> REG3; to INT8"));
  CHECK_THAT(kinds, Contains("MATRIX 1 tiles of 6 x 32, K 12 pairs of INT8, to INT32"));
}

TEST_CASE("PMUs with several pipelines and sequence ids") {
  programs::GemmGrid grid;
  grid.m = 24, grid.n = 256, grid.k = 96, grid.pitch = 256;
  grid.row_groups = 2, grid.column_groups = 8;
  grid.rows = grid.cols = 6;
  const Program p = compile(programs::gemm_grid(grid));
  const Decoder decoder(p);
  std::map<std::string, std::string> summaries;
  for (const UnitEntry& u : p.units()) summaries[u.name] = decoder.summary(u);
  CHECK(
      summaries["join1.4"] ==
      "2 buffers of 3072 bytes, filled 2 times; write 64 B: 48 by +64; read 32 x 2 B: 48 by +64, ids 1 by 2");
  const std::string write = "16 x 4 B: 2 by +512, 4 by +128, 2 by +64, 6 by +1024";
  CHECK(summaries["c0"] == "write 2 buffers of 12288 bytes, filled 2 times, " + write +
                               "; write 2 buffers of 12288 bytes from 6144, filled 2 times, " + write +
                               "; read 2 buffers of 12288 bytes, filled 2 times, 16 x 4 B: 192 by +64");
}

TEST_CASE("the fused program's floor plan and units") {
  const Program p = compile(programs::digits_fused());
  const std::string plan = floorplan(p, false);
  for (const auto& u : p.units()) CHECK_THAT(plan, Contains(u.name));
  CHECK_THAT(unit_listing(p), Contains("MATRIX [rows / 36 * 4] tiles of 6 x 32, K 64, to FP32"));
  CHECK_THAT(unit_listing(p),
             Contains("FADD IN0, IN1 -> REG0; FRED_MAX PREV; FSUB REG0, PREV; EXP; to FP32"));
  CHECK_THAT(unit_listing(p), Contains("read 6 x 2 B, 128 apart: 64 by +2, 4 times"));
}

TEST_CASE("the rdu-objdump command") {
  const std::string file = "test_objdump.rdu";
  small_program().save(file);
  const Run all = objdump(file);
  CHECK(all.status == 0);
  for (const char* title : {"HEADER\n", "ARGUMENTS\n", "FLOOR PLAN\n", "UNITS\n", "STREAMS\n"}) {
    CHECK_THAT(all.output, Contains(title));
  }
  CHECK_THAT(all.output, !Contains("CONFIGURATION"));
  CHECK_THAT(all.output, !Contains("\033["));
  const Run plan = objdump("--floorplan --color always " + file);
  CHECK_THAT(plan.output, Contains("\033[36mc pcu"));
  CHECK_THAT(plan.output, !Contains("UNITS\n"));
  CHECK_THAT(objdump("-d " + file).output, Contains("STAGE[0]"));
  CHECK(nlohmann::json::parse(objdump("--json " + file).output).at("rows") == 2);
  const std::string log = file + ".log";
  std::ofstream(log) << "pcu[0][1] waits\n";
  CHECK(objdump("--explain " + log + " " + file).output == "pcu[0][1] 'pcu' waits\n");
  CHECK(objdump("--explain - " + file + " < " + log).output == "pcu[0][1] 'pcu' waits\n");
  const Run no_log = objdump("--explain no-such-log " + file);
  CHECK(no_log.status == 1);
  CHECK_THAT(no_log.output, Contains("no-such-log: cannot be read"));
  std::remove(log.c_str());
  CHECK_THAT(objdump("--help").output, Contains("what can be set at launch"));

  const Run missing = objdump("no-such-file.rdu " + file);
  CHECK(missing.status == 1);
  CHECK_THAT(missing.output, Contains("rdu-objdump: no-such-file.rdu: No such file or directory"));
  CHECK_THAT(missing.output, Contains("HEADER"));  // the other file is shown
  const Run foreign = objdump(RDU_OBJDUMP);
  CHECK(foreign.status == 1);
  CHECK_THAT(foreign.output, Contains(", not an RDU program"));
  CHECK(objdump("").status != 0);
  std::remove(file.c_str());
}
