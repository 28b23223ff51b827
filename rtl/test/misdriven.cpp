// Drives a network whose pins are checked: rightly, or wrongly in the way that is asked for.
#include <cstdio>
#include <cstring>
#include <memory>

#include "Vrtl_checked.h"

int main(int argc, char** argv) {
  const char* how = argc == 2 ? argv[1] : "";
  auto is = [&](const char* other) { return std::strcmp(how, other) == 0; };
  VerilatedContext context;
  auto top = std::make_unique<Vrtl_checked>(&context);
  auto clock = [&] {
    top->clk = 1;
    top->eval();
    top->clk = 0;
    top->eval();
  };
  top->rst_n = 0;
  clock();
  top->rst_n = 1;
  top->configure = 1;
  clock();
  top->configure = 0;
  top->out_init[1 * 4 / 2] = 2;  // whoever is in the east takes two packets
  top->start = 1;
  clock();
  top->start = 0;

  // A credit that comes, or a packet that arrives, in a cycle counts in the next.
  unsigned sent = 0, credits = 2, arrived = 0;
  bool held = false;
  for (int cycle = 0; cycle < 60; ++cycle) {
    const bool freed = top->in_credit >> 12 & 1;
    const bool arrives = top->out_valid >> 1 & 1;
    arrived += arrives;
    const bool sends = sent < 10 && (credits != 0 || is("no-credit"));
    top->in_valid = sends ? 1 << 3 : 0;
    credits += freed;
    credits -= sends;
    sent += sends;
    top->out_credit = (is("unused-credit") ? cycle >= 20 : held && is("right")) ? 1 << 4 : 0;
    held = arrives;
    clock();
  }
  std::printf("%u packets sent, %u arrived, nothing to object to\n", sent, arrived);
  return 0;
}
