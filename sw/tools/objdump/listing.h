#pragma once

#include <string>

#include "compiler/container.h"

/// The parts of rdu-objdump's output.
namespace rdu::tools {

std::string header_listing(const compiler::Program& program);
std::string argument_listing(const compiler::Program& program);
std::string unit_listing(const compiler::Program& program);
/// One line a stream; with `hops` also what every switch on its way does.
std::string route_listing(const compiler::Program& program, bool hops);
/// Every configuration word.
std::string disassembly(const compiler::Program& program);
/// All of it for scripts.
std::string json_listing(const compiler::Program& program);

}  // namespace rdu::tools
