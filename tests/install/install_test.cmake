# Installs BUILD_DIR into a staging prefix, builds the projects of CONSUMER_DIR against it and runs them.
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output TIMEOUT 120)
  if(NOT result EQUAL 0)
    string(REPLACE ";" " " command "${ARGN}")
    message(FATAL_ERROR "${command}\n${output}\nended with '${result}'")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

function(expect text)
  if(NOT output MATCHES "${text}")
    message(FATAL_ERROR "expected '${text}' in: ${output}")
  endif()
endfunction()

file(REMOVE_RECURSE ${WORK_DIR})
set(prefix ${WORK_DIR}/first)
set(moved ${WORK_DIR}/moved)
foreach(component runtime development)
  run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${prefix} --component ${component})
endforeach()
file(RENAME ${prefix} ${moved}) # an installed tree may be moved

if(SANITIZE)
  set(flags -fsanitize=${SANITIZE})
endif()
if(LAUNCHER)
  set(launchers -DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER} -DCMAKE_C_COMPILER_LAUNCHER=${LAUNCHER})
endif()
set(configure ${CMAKE_COMMAND} -G ${GENERATOR} -DCMAKE_C_COMPILER=${CC} -DCMAKE_CXX_COMPILER=${CXX} ${launchers}
    -DCMAKE_BUILD_TYPE=${BUILD_TYPE} -DCMAKE_PREFIX_PATH=${moved} -DCMAKE_CXX_FLAGS=${flags} -DCMAKE_C_FLAGS=${flags})

# One project, three targets.
run(${configure} -S ${CONSUMER_DIR}/all -B ${WORK_DIR}/all)
run(${CMAKE_COMMAND} --build ${WORK_DIR}/all)
run(${WORK_DIR}/all/with_core)
expect("core ${VERSION}")
run(${WORK_DIR}/all/with_ivr)
expect("listened on port [1-9]")
run(${WORK_DIR}/all/with_c)
expect("c ${VERSION}")

# The core alone asks for Abseil alone.
run(${configure} -S ${CONSUMER_DIR}/core -B ${WORK_DIR}/core)
run(${CMAKE_COMMAND} --build ${WORK_DIR}/core)
run(${WORK_DIR}/core/with_core)
expect("core ${VERSION}")

# C by pkg-config, without CMake; and the C++ library the same way.
set(libraries ${moved}/${LIBDIR})
set(ENV{PKG_CONFIG_PATH} ${libraries}/pkgconfig)
set(ENV{LD_LIBRARY_PATH} ${libraries})
run(pkg-config --cflags --libs ivr)
separate_arguments(ivr_flags UNIX_COMMAND "${output}")
run(${CC} -std=c99 -pedantic -Wall -Werror ${flags} ${CONSUMER_DIR}/all/with_c.c -o ${WORK_DIR}/by_pkg_config ${ivr_flags})
run(${WORK_DIR}/by_pkg_config)
expect("c ${VERSION}")
run(pkg-config --cflags --libs ivr-cpp)
separate_arguments(cpp_flags UNIX_COMMAND "${output}")
run(${CXX} ${flags} ${CONSUMER_DIR}/all/with_core.cpp -o ${WORK_DIR}/cpp_by_pkg_config ${cpp_flags})
run(${WORK_DIR}/cpp_by_pkg_config)
expect("core ${VERSION}")

# A version that was never made is not found.
execute_process(COMMAND ${configure} -DWANTED=99.0 -S ${CONSUMER_DIR}/all -B ${WORK_DIR}/wrong
                RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output TIMEOUT 60)
if(result EQUAL 0 OR NOT output MATCHES "requested version")
  message(FATAL_ERROR "find_package(ivr 99.0) should have been refused: ${output}")
endif()
message("installed, moved, found and run: ivr::core, ivr::ivr, ivr::c, ivr.pc, ivr-cpp.pc")
