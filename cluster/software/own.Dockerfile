# The user's own jars on the Java of another server image.
ARG BASE
FROM ${BASE}
COPY lib /own/lib
COPY server.sh log4j.properties logback.xml /own/
WORKDIR /data
ENTRYPOINT ["/own/server.sh"]
