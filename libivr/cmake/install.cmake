# What `cmake --install` puts where. Three export sets, so that find_package(ivr COMPONENTS core) needs Abseil and
# nothing else, and COMPONENTS c needs nothing at all.
include(CMakePackageConfigHelpers)
set(ivr_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/ivr)

install(DIRECTORY include/ivr TYPE INCLUDE COMPONENT development)
foreach(part core ivr c)
  if(part STREQUAL "ivr")
    set(target ivr)
  else()
    set(target ivr_${part})
  endif()
  install(TARGETS ${target} EXPORT ivr_${part}_targets
          ARCHIVE COMPONENT development
          LIBRARY COMPONENT runtime NAMELINK_COMPONENT development)
  install(EXPORT ivr_${part}_targets FILE ivr-${part}-targets.cmake NAMESPACE ivr:: DESTINATION ${ivr_package_dir}
          COMPONENT development)
endforeach()

configure_package_config_file(cmake/ivrConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/ivrConfig.cmake
                              INSTALL_DESTINATION ${ivr_package_dir})
# Before 1.0 a minor version may change the C++ interface; the C one only grows.
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/ivrConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ivrConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/ivrConfigVersion.cmake
        DESTINATION ${ivr_package_dir} COMPONENT development)

# pkg-config: ivr is the C library, ivr-cpp the C++ one, static. The files find their prefix from where they lie, so a
# staged or moved tree works.
set(ivr_pc_requires "absl_status absl_statusor absl_time absl_flat_hash_map sofia-sip-ua sqlite3 libcurl")
if(IVR_WITH_ORTP)
  string(APPEND ivr_pc_requires " ortp bctoolbox")
endif()
if(IVR_WITH_OPUS)
  string(APPEND ivr_pc_requires " opus")
endif()
if(IVR_WITH_ESPEAK)
  string(APPEND ivr_pc_requires " espeak-ng")
endif()
file(RELATIVE_PATH ivr_pc_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" ivr_pc_prefix "${ivr_pc_prefix}")
foreach(pc ivr ivr-cpp)
  configure_file(cmake/${pc}.pc.in ${CMAKE_CURRENT_BINARY_DIR}/${pc}.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${pc}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
endforeach()

install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/docs/licences.md TYPE DOC COMPONENT runtime)
