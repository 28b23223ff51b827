#include "mgmt/csr_names.h"

#include <fmt/format.h>

#include <algorithm>

namespace rdu::mgmt {

namespace {

std::vector<CsrName> make() {
  std::vector<CsrName> all = {
      {0x001, "fflags"},   {0x002, "frm"},        {0x003, "fcsr"},       {0xc00, "cycle"},
      {0xc01, "time"},     {0xc02, "instret"},    {0x100, "sstatus"},    {0x104, "sie"},
      {0x105, "stvec"},    {0x106, "scounteren"}, {0x10a, "senvcfg"},    {0x140, "sscratch"},
      {0x141, "sepc"},     {0x142, "scause"},     {0x143, "stval"},      {0x144, "sip"},
      {0x14d, "stimecmp"}, {0x180, "satp"},       {0xf11, "mvendorid"},  {0xf12, "marchid"},
      {0xf13, "mimpid"},   {0xf14, "mhartid"},    {0xf15, "mconfigptr"}, {0x300, "mstatus"},
      {0x301, "misa"},     {0x302, "medeleg"},    {0x303, "mideleg"},    {0x304, "mie"},
      {0x305, "mtvec"},    {0x306, "mcounteren"}, {0x30a, "menvcfg"},    {0x320, "mcountinhibit"},
      {0x340, "mscratch"}, {0x341, "mepc"},       {0x342, "mcause"},     {0x343, "mtval"},
      {0x344, "mip"},      {0xb00, "mcycle"},     {0xb02, "minstret"},   {0x7a0, "tselect"},
      {0x7a1, "tdata1"},   {0x7a2, "tdata2"},     {0x7a3, "tdata3"},
  };
  const auto series = [&all](const char* name, unsigned base, unsigned first, unsigned last,
                             unsigned stride) {
    for (unsigned i = first; i <= last; i += stride) all.push_back({base + i, name + std::to_string(i)});
  };
  series("hpmcounter", 0xc00, 3, 31, 1);
  series("mhpmcounter", 0xb00, 3, 31, 1);
  series("mhpmevent", 0x320, 3, 31, 1);
  series("pmpcfg", 0x3a0, 0, 14, 2);  // of a 64-bit hart: the even ones
  series("pmpaddr", 0x3b0, 0, 63, 1);
  std::sort(all.begin(), all.end(), [](const CsrName& a, const CsrName& b) { return a.number < b.number; });
  return all;
}

}  // namespace

const std::vector<CsrName>& csr_names() {
  static const std::vector<CsrName> all = make();
  return all;
}

std::string csr_name(unsigned number) {
  const auto& all = csr_names();
  const auto it = std::lower_bound(all.begin(), all.end(), number,
                                   [](const CsrName& a, unsigned n) { return a.number < n; });
  return it != all.end() && it->number == number ? it->name : fmt::format("{:#x}", number);
}

}  // namespace rdu::mgmt
