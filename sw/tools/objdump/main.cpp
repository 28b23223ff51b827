#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "tools/objdump/explain.h"
#include "tools/objdump/floorplan.h"
#include "tools/objdump/listing.h"

namespace {

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void section(const char* title, const std::string& text) {
  print(std::string("\n") + title + "\n" + text);
}

/// The whole of a file, or of standard input for "-". Throws Error.
std::string read_text(const std::string& path) {
  if (path == "-") return {std::istreambuf_iterator<char>(std::cin), {}};
  std::ifstream file(path);
  if (!file) throw rdu::compiler::Error(path + ": cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Shows what is in a compiled RDU program (.rdu): what it computes, which units of the tile it uses, "
      "where they\n"
      "are, how data flows between them and what can be set at launch. Every file is checked completely "
      "first.\n"
      "Without options: everything but --disassemble and the single switches of --routes.",
      "rdu-objdump");
  app.set_version_flag("--version", std::string("rdu-objdump ") + RDU_VERSION);
  std::vector<std::string> files;
  bool header = false, arguments = false, floorplan = false, units = false, routes = false;
  bool disassemble = false, json = false;
  std::string colour = "auto", log;
  app.add_option("FILE", files, "Compiled programs; the build writes some to build/programs")->required();
  app.add_flag("--header", header, "Kernel, tile and what it uses of it");
  app.add_flag("--arguments", arguments, "What can be set at launch");
  app.add_flag("--floorplan", floorplan,
               "A map of the tile with the units' places and the streams between cells");
  app.add_flag("--units", units, "Every unit, its place and what it does; [..] is set at launch");
  app.add_flag("--routes", routes, "Every stream, switch by switch, and the done tokens' ways");
  app.add_flag("--disassemble,-d", disassemble, "Every configuration word by name and field");
  app.add_flag("--json", json, "All of it as JSON, for scripts");
  app.add_option("--explain", log,
                 "Prints this log, of a kernel that hung, with the names of its units; -: standard input");
  app.add_option("--color", colour, "Colours in the floor plan")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->capture_default_str();
  app.footer("Example: rdu-objdump --floorplan build/programs/digits_fused.rdu");
  CLI11_PARSE(app, argc, argv);

  const bool all = !(header || arguments || floorplan || units || routes || disassemble || json);
  const bool painted = colour == "always" || (colour == "auto" && isatty(STDOUT_FILENO) != 0);
  int status = 0;
  for (const std::string& file : files) {
    try {
      const auto program = rdu::compiler::Program::load(file);
      if (!log.empty()) {
        print(rdu::tools::explain(program, read_text(log)));
        continue;
      }
      if (json) {
        print(rdu::tools::json_listing(program));
        continue;
      }
      print(file + "\n");
      if (all || header) section("HEADER", rdu::tools::header_listing(program));
      if (all || arguments) section("ARGUMENTS", rdu::tools::argument_listing(program));
      if (all || floorplan) section("FLOOR PLAN", rdu::tools::floorplan(program, painted));
      if (all || units) section("UNITS", rdu::tools::unit_listing(program));
      if (all || routes) section("STREAMS", rdu::tools::route_listing(program, routes));
      if (disassemble) section("CONFIGURATION", rdu::tools::disassembly(program));
      if (&file != &files.back()) print("\n");
    } catch (const rdu::compiler::Error& e) {
      std::fflush(stdout);
      std::fprintf(stderr, "rdu-objdump: %s\n", e.what());
      status = 1;
    }
  }
  return status;
}
