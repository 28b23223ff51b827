# What every folder of the project builds with: compiler flags, third-party libraries under one name each, and the
# functions that declare a library, a generated header and a test.

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()

# Arithmetic is architecture: the compiler may not fuse or reorder floating-point operations on its own.
add_compile_options(-Wall -Wextra -Werror -ffp-contract=off)

if(RDU_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  # The kernel's coroutines hide the stack's bounds, so that an exception after a run looks like a stack error.
  add_compile_options("SHELL:--param asan-stack=0")
  add_compile_options(-Wno-maybe-uninitialized)  # GCC warns falsely about instrumented library code
  add_link_options(-fsanitize=address,undefined)
endif()

if(RDU_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "RDU_FUZZ needs clang++ as the compiler: scripts/fuzz says so to CMake")
  endif()
  # Warnings are the business of the compiler that the project is made for.
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
                      -Wno-everything)
  add_link_options(-fsanitize=address,undefined)
endif()

# --- third-party libraries -------------------------------------------------------------------------------------------
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(Boost REQUIRED)
find_package(ZLIB REQUIRED)
find_package(Catch2 REQUIRED)
pkg_check_modules(SYSTEMC REQUIRED IMPORTED_TARGET systemc)
pkg_check_modules(LIBELF REQUIRED IMPORTED_TARGET libelf)
pkg_check_modules(LIBSODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)

# libfdt comes without a description for pkg-config.
find_path(RDU_FDT_INCLUDE libfdt.h REQUIRED)
find_library(RDU_FDT_LIBRARY fdt REQUIRED)
add_library(rdu_fdt INTERFACE)
target_include_directories(rdu_fdt SYSTEM INTERFACE ${RDU_FDT_INCLUDE})
target_link_libraries(rdu_fdt INTERFACE ${RDU_FDT_LIBRARY})

# SystemC differs between releases (2.3.4, 3.0): models include "core/systemc.h", never <systemc>.
add_library(rdu_systemc INTERFACE)
target_link_libraries(rdu_systemc INTERFACE PkgConfig::SYSTEMC Threads::Threads)
target_compile_definitions(rdu_systemc INTERFACE SC_DISABLE_API_VERSION_CHECK SC_INCLUDE_DYNAMIC_PROCESSES)
get_target_property(_systemc_includes PkgConfig::SYSTEMC INTERFACE_INCLUDE_DIRECTORIES)
if(_systemc_includes)
  target_include_directories(rdu_systemc SYSTEM INTERFACE ${_systemc_includes})
endif()

set(RDU_PYTHON /usr/bin/python3)  # the distribution's, whose packages the package list installs
set(RDU_GENERATED_DIR ${PROJECT_BINARY_DIR}/generated)

# --- functions -------------------------------------------------------------------------------------------------------

# rdu_library(name SOURCES a.cpp ... [LINK lib ...]): a static library whose headers are found from models/, sw/... as
# "core/register.h"; `name` is also how others link to it.
function(rdu_library name)
  cmake_parse_arguments(A "" "" "SOURCES;LINK" ${ARGN})
  if(A_SOURCES)
    add_library(${name} STATIC ${A_SOURCES})
    target_include_directories(${name} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/..)
    target_link_libraries(${name} PUBLIC ${A_LINK})
  else()
    add_library(${name} INTERFACE)
    target_include_directories(${name} INTERFACE ${CMAKE_CURRENT_SOURCE_DIR}/..)
    target_link_libraries(${name} INTERFACE ${A_LINK})
  endif()
endfunction()

# rdu_unit_test(name SOURCES a.cpp ... [LINK lib ...]): a Catch2 program, run by CTest under the label `unit`.
function(rdu_unit_test name)
  cmake_parse_arguments(A "" "TIMEOUT" "SOURCES;LINK" ${ARGN})
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 120)
  endif()
  add_executable(${name} ${A_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  target_link_libraries(${name} PRIVATE rdu_test_main ${A_LINK})
  add_test(NAME unit.${name} COMMAND ${name})
  set_tests_properties(unit.${name} PROPERTIES LABELS unit TIMEOUT ${A_TIMEOUT})
endfunction()

# Every register description of the project; each becomes regs/BLOCK.hpp, regs/BLOCK.h, rtl/BLOCK.svh and docs/BLOCK.md
# below build/generated. Link rdu_regs to include them; the name of a file is the name of its block.
file(GLOB_RECURSE RDU_REGISTER_FILES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/models/*.regs.yaml)
set(RDU_ADDRESS_MAP ${PROJECT_SOURCE_DIR}/platform/address_map.yaml)
set(_regen ${PROJECT_SOURCE_DIR}/models/core/regen/regen.py)
set(_generated ${RDU_GENERATED_DIR}/regs/address_map.h)
add_custom_command(
  OUTPUT ${RDU_GENERATED_DIR}/regs/address_map.h ${RDU_GENERATED_DIR}/regs/address_map.hpp
  COMMAND ${RDU_PYTHON} ${_regen} --out ${RDU_GENERATED_DIR} --map platform/address_map.yaml
  DEPENDS ${_regen} ${RDU_ADDRESS_MAP}
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
  COMMENT "Generating the address map")
foreach(_file ${RDU_REGISTER_FILES})
  get_filename_component(_block ${_file} NAME)
  string(REPLACE ".regs.yaml" "" _block ${_block})
  add_custom_command(
    OUTPUT ${RDU_GENERATED_DIR}/regs/${_block}.hpp ${RDU_GENERATED_DIR}/regs/${_block}.h
           ${RDU_GENERATED_DIR}/regs/${_block}_hal.h ${RDU_GENERATED_DIR}/rtl/${_block}.svh
           ${RDU_GENERATED_DIR}/docs/${_block}.md
    COMMAND ${RDU_PYTHON} ${_regen} --out ${RDU_GENERATED_DIR} ${_file}
    DEPENDS ${_regen} ${_file}
    COMMENT "Generating registers of ${_block}")
  list(APPEND _generated ${RDU_GENERATED_DIR}/regs/${_block}.hpp)
endforeach()
add_custom_command(
  OUTPUT ${RDU_GENERATED_DIR}/regs/all.hpp ${RDU_GENERATED_DIR}/rtl/all.svh
  COMMAND ${RDU_PYTHON} ${_regen} --out ${RDU_GENERATED_DIR} --index ${RDU_REGISTER_FILES}
  DEPENDS ${_regen} ${RDU_REGISTER_FILES}
  COMMENT "Generating the index of registers")
list(APPEND _generated ${RDU_GENERATED_DIR}/regs/all.hpp)

# The tables of the PCU's tail, for model and RTL alike: fabric/math/tail_tables.h and rtl/tail_tables.svh.
set(_math ${PROJECT_SOURCE_DIR}/models/fabric/math)
add_custom_command(
  OUTPUT ${RDU_GENERATED_DIR}/fabric/math/tail_tables.h ${RDU_GENERATED_DIR}/rtl/tail_tables.svh
  COMMAND ${RDU_PYTHON} ${_math}/tables.py ${_math}/tables.yaml
          --header ${RDU_GENERATED_DIR}/fabric/math/tail_tables.h --verilog ${RDU_GENERATED_DIR}/rtl/tail_tables.svh
  DEPENDS ${_math}/tables.py ${_math}/tables.yaml
  COMMENT "Generating the tables of the tail")
list(APPEND _generated ${RDU_GENERATED_DIR}/fabric/math/tail_tables.h)
add_custom_target(rdu_regs_files DEPENDS ${_generated})
add_library(rdu_regs INTERFACE)
add_dependencies(rdu_regs rdu_regs_files)
target_include_directories(rdu_regs INTERFACE ${RDU_GENERATED_DIR})

# The main() of every unit test: the test library's own code, so neither optimised nor sanitized (which takes GCC a
# gigabyte and minutes).
add_library(rdu_test_main STATIC ${PROJECT_SOURCE_DIR}/tests/test/main.cpp)
target_include_directories(rdu_test_main PUBLIC ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/models)
target_link_libraries(rdu_test_main PUBLIC rdu_systemc Catch2::Catch2)
target_compile_options(rdu_test_main PRIVATE -O0 -fno-sanitize=all)
