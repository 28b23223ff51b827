#include "platform/instruments.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/register_coverage.h"
#include "mgmt/debug/instruction_trace.h"
#include "mgmt/debug/profile.h"
#include "mgmt/elf_image.h"
#include "mgmt/management.h"
#include "platform/options.h"

namespace rdu::platform {
namespace {

namespace fs = std::filesystem;

std::ofstream open_for_writing(const fs::path& file) {
  std::ofstream out(file);
  if (!out) core::bad_input(fmt::format("{}: cannot be written: {}", file.string(), std::strerror(errno)));
  return out;
}

}  // namespace

/// FILE.json, and the same as a table in FILE.txt.
class Instruments::Coverage {
 public:
  Coverage(const std::string& file, mgmt::Management& management)
      : json_(open_for_writing(file)), text_(open_for_writing(table_beside(file))) {
    for (const auto& block : management.blocks()) counts_.watch(block.name, block.base, *block.registers);
  }

  void write() {
    counts_.write_json(json_);
    counts_.write_text(text_);
  }

 private:
  static fs::path table_beside(const std::string& json) {
    const fs::path table = fs::path(json).replace_extension(".txt");
    if (table == json) {
      core::bad_input(fmt::format(
          "--register-coverage {}: the table beside the JSON file has this name; use another, as {}", json,
          fs::path(json).replace_extension(".json").string()));
    }
    return table;
  }

  core::RegisterCoverage counts_;
  std::ofstream json_;
  std::ofstream text_;
};

/// FILE, and stacks for flame graphs in FILE.folded.
class Instruments::FunctionProfile {
 public:
  FunctionProfile(const std::string& file, mgmt::Management& management)
      : text_(open_for_writing(file)), folded_(open_for_writing(file + ".folded")), counts_(management) {}

  void write() {
    counts_.write_text(text_);
    counts_.write_folded(folded_);
  }

 private:
  std::ofstream text_;
  std::ofstream folded_;
  mgmt::debug::Profile counts_;
};

Instruments::Instruments(const Options& options, mgmt::Management& management) {
  for (const std::string& file : options.symbols) management.add_symbols(mgmt::ElfImage(file).symbols());
  if (!options.register_coverage.empty()) {
    coverage_ = std::make_unique<Coverage>(options.register_coverage, management);
  }
  if (!options.profile.empty()) profile_ = std::make_unique<FunctionProfile>(options.profile, management);
  if (!options.instruction_trace.empty()) {
    using mgmt::debug::InstructionTrace;
    trace_ = std::make_unique<InstructionTrace>(
        InstructionTrace::parse("--trace-instructions", options.instruction_trace, management.symbols()),
        management);
  }
}

Instruments::~Instruments() = default;

void Instruments::write() {
  if (coverage_) coverage_->write();
  if (profile_) profile_->write();
  trace_.reset();
}

}  // namespace rdu::platform
