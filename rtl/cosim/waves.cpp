#include "cosim/waves.h"

#include <fmt/format.h>
#include <gtkwave/fstapi.h>

#include <cstdio>
#include <memory>

#include "core/error.h"

namespace rdu::cosim {

void fst_to_vcd(const std::string& fst, const std::string& vcd) {
  const std::unique_ptr<void, decltype(&fstReaderClose)> reader(fstReaderOpen(fst.c_str()), fstReaderClose);
  if (!reader) core::bad_input(fmt::format("cannot read the waves '{}'", fst));
  const std::unique_ptr<FILE, decltype(&std::fclose)> out(std::fopen(vcd.c_str(), "w"), std::fclose);
  if (!out) core::bad_input(fmt::format("cannot write the waves '{}'", vcd));
  const auto convert = [&] {
    if (fstReaderProcessHier(reader.get(), out.get()) == 0) return false;
    fstReaderSetFacProcessMaskAll(reader.get());  // forgotten by the line before
    return fstReaderIterBlocks(reader.get(), nullptr, nullptr, out.get()) != 0 && std::fflush(out.get()) == 0;
  };
  if (!convert()) core::bad_input(fmt::format("cannot write the waves '{}'", vcd));
}

}  // namespace rdu::cosim
