#include "platform/instruments.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/register_coverage.h"
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

Instruments::Instruments(const Options& options, mgmt::Management& management) {
  if (!options.register_coverage.empty()) {
    coverage_ = std::make_unique<Coverage>(options.register_coverage, management);
  }
}

Instruments::~Instruments() = default;

void Instruments::write() {
  if (coverage_) coverage_->write();
}

}  // namespace rdu::platform
