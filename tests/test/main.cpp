#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

#include "core/systemc.h"

/// SystemC wants to own main(); a test program is called through it so that modules can be built in any test.
int sc_main(int argc, char* argv[]) {
  return Catch::Session().run(argc, argv);
}
