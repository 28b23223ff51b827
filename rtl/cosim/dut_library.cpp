#include "cosim/dut_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <sstream>

#include "core/error.h"
#include "cosim/dut_plugin.h"
#include "cosim/stimulus.h"
#include "fabric/pmu/scratchpad.h"

namespace rdu::cosim {
namespace {

unsigned kind_of(const std::string& unit) {
  return unit == "pcu" ? RDU_UNIT_PCU : unit == "pmu" ? RDU_UNIT_PMU : unit == "switch" ? RDU_UNIT_SWITCH : 0;
}

/// "pmu_bytes=4096 lanes=16", else the chip's. False for a number that the unit does not depend on.
bool read_numbers(const std::string& text, unsigned kind, fabric::FabricParams& params, std::string& wrong) {
  std::istringstream in(text);
  while (in >> wrong) {
    const size_t equals = wrong.find('=');
    bool is_known = false;
    for (const Number& number : numbers_of(kind)) {
      if (equals == std::string::npos || wrong.substr(0, equals) != number.name) continue;
      params.*number.value = std::strtoull(wrong.c_str() + equals + 1, nullptr, 0);
      is_known = true;
    }
    if (!is_known) return false;
  }
  return true;
}

}  // namespace

DutLibrary::DutLibrary(const std::string& file) {
  const auto wrong = [&](const std::string& text) {
    core::bad_input(fmt::format("DUT '{}': {}", file, text));
  };
  // Without a folder, the dynamic loader would look in its own.
  const std::string path = file.find('/') == std::string::npos ? "./" + file : file;
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) wrong(dlerror());
  const auto entry = reinterpret_cast<DutEntry>(dlsym(library, kDutEntry));
  if (!entry) wrong(fmt::format("it has no {}(); rdu_cosim_dut() in CMake makes such libraries", kDutEntry));
  const DutPlugin& plugin = *entry();
  if (plugin.version != DutPlugin::kVersion || plugin.inputs_size != sizeof(fabric::PinInputs) ||
      plugin.outputs_size != sizeof(fabric::PinOutputs) || plugin.memory_size != sizeof(fabric::Scratchpad)) {
    wrong("it was built for another version of this program: build it again");
  }
  name = plugin.name;
  kind = kind_of(plugin.unit);
  if (kind == 0) wrong(fmt::format("'{}' is none of pcu, pmu, switch", plugin.unit));
  std::string number;
  if (!read_numbers(plugin.numbers, kind, params, number))
    wrong(fmt::format("'{}' is no number that a {} depends on", number, plugin.unit));
  verilog.make = [&plugin, pins = pins_of(kind)](const fabric::PinSite& site) {
    return std::unique_ptr<fabric::PinModel>(
        plugin.make(pins, RDU_UNIT_ROW(site.unit), RDU_UNIT_COL(site.unit), site.memory));
  };
  verilog.check = [file, built = params, kind = kind](const fabric::FabricParams& params) {
    for (const Number& n : numbers_of(kind)) {
      if (params.*n.value == built.*n.value) continue;
      core::bad_input(fmt::format("DUT '{}' was built for {} = {}, not {}", file, n.name, built.*n.value,
                                  params.*n.value));
    }
  };
}

void use_dut(const std::string& file) {
  const DutLibrary library(file);
  fabric::rtl_units().kinds[library.kind] = library.verilog;
}

}  // namespace rdu::cosim
