#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <functional>

#include "compiler/compile.h"
#include "compiler/programs/digits.h"
#include "compiler/programs/layers.h"
#include "compiler/programs/matmul.h"
#include "compiler/programs/softmax.h"

namespace {

using namespace rdu::compiler;

struct Recipe {
  const char* file;
  std::function<Graph()> graph;
};

const Recipe kRecipes[] = {
    {"digits_fused.rdu", [] { return programs::digits_fused(); }},
    {"digits_matmul1.rdu", [] { return programs::digits_matmul1(); }},
    {"digits_bias_relu.rdu", [] { return programs::digits_bias_relu(); }},
    {"digits_matmul2.rdu", [] { return programs::digits_matmul2(); }},
    {"digits_softmax.rdu", [] { return programs::digits_softmax(); }},
    // 1,024 rows, and two more to make whole tiles of six.
    {"gemm_1024.rdu", [] { return programs::gemm(1026, 1024, 1024, 2, 4); }},
    {"mlp.rdu",
     [] {
       return programs::mlp({1536, 256, 512, 256, 4});
     }},
    {"matrix_vector.rdu", [] { return programs::matrix_vector(4096, 4096, 4); }},
    {"softmax_256.rdu", [] { return programs::softmax(8); }},
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Builds the programs that come with the chip: the digits network, fused and one kernel an operator, "
      "and a\n"
      "1024 x 1024 x 1024 matrix product, a fused MLP, a 4096 x 4096 matrix times a vector, and softmax of "
      "rows of 256. Look at them with rdu-objdump.");
  std::string folder = ".";
  bool quiet = false;
  Target target;
  CompileOptions options;
  options.build = "rdu-build-programs";
  app.add_option("--out", folder, "Folder to write to; made if missing")->capture_default_str();
  app.add_option("--rows", target.shape.rows, "Rows of the tile")->capture_default_str();
  app.add_option("--columns", target.shape.cols, "Columns of the tile")->capture_default_str();
  app.add_option("--channels", target.shape.channels, "Vector channels per direction")->capture_default_str();
  app.add_option("--seed", options.seed, "Seed of the placer")->capture_default_str();
  app.add_flag("--quiet", quiet, "Do not name the files");
  CLI11_PARSE(app, argc, argv);
  try {
    std::filesystem::create_directories(folder);
    for (const Recipe& recipe : kRecipes) {
      const std::string path = (std::filesystem::path(folder) / recipe.file).string();
      compile(recipe.graph(), target, options).save(path);
      if (!quiet) std::printf("%s\n", path.c_str());
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "rdu-build-programs: %s\n", e.what());
    return 1;
  }
  return 0;
}
