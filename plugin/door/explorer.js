// Orthanc Explorer's page of a study: what this node made of it, and why. Addresses are relative to /app/.
$('#study').live('pagebeforeshow', function() {
  var uuid = $.mobile.pageData && $.mobile.pageData.uuid;
  $('#orthogen-study').remove();
  if (!uuid) {
    return;
  }
  var list = $('<ul>').attr({
    'id': 'orthogen-study', 'data-role': 'listview', 'data-inset': 'true', 'data-theme': 'd', 'data-divider-theme': 'c'
  });
  $('#study-access').before(list);
  $.getJSON('../studies/' + encodeURIComponent(uuid), function(study) {
    var uid = study.MainDicomTags.StudyInstanceUID;
    var query = encodeURIComponent(uid);
    list.append($('<li>').attr('data-role', 'list-divider').text('AI results (Orthogen)'));
    list.append(line('Why was this study processed, or not?', '../orthogen/ui/study?uid=' + query));
    list.listview().listview('refresh');
    $.getJSON('../orthogen/api/jobs?study=' + query, function(jobs) {
      for (var i = 0; i < jobs.length; i++) {
        var words = jobs[i].pipeline + ': ' + jobs[i].state + (jobs[i].verdict ? ', ' + jobs[i].verdict : '');
        list.append(line(words, '../orthogen/ui/job?id=' + encodeURIComponent(jobs[i].id)));
      }
      list.listview('refresh');
    });
  });

  function line(words, address) {
    var link = $('<a>').attr({ 'href': address, 'rel': 'external' }).text(words);
    return $('<li>').attr('data-icon', 'arrow-r').append(link);
  }
});
